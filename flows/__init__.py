"""When the recipe runs: flows for Prefect, and the servers that show and start them."""

import os

# Before Prefect is imported: it reads this once, and would otherwise try the network.
os.environ.setdefault("DO_NOT_TRACK", "1")

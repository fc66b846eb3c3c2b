"""The stages of the recipe, one module each: what it reads, the practices in their order, what it writes."""

import gc
import sys

AS_A_PROCESS = "-m"  # what Python calls `python -m tasks.STAGE` until it has found the module

if sys.argv[0] == AS_A_PROCESS:
    gc.disable()  # till the stage begins: collections go in vain through all that its imports make

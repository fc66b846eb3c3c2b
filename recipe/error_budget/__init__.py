"""Where the error on the test set comes from, and what would lower it."""

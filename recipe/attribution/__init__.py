"""What made one run differ from another."""

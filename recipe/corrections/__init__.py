"""What a person has decided about single examples: read, checked and merged."""

"""What a person reads of a run: the merged findings, the page, the table in the terminal."""

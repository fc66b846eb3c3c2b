"""The page on which a person looks at the data: example by example, with what the practices found, and marks them."""

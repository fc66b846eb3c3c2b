"""Labels that people give without seeing those of the data set: asked for on a page, kept, and compared."""

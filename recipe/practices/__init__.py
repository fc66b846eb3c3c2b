"""The practices of the recipe, one module each, found from its id."""

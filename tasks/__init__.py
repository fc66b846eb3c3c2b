"""The stages of the recipe, one module each: what it reads, the practices in their order, what it writes."""

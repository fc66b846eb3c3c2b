"""One module a data kind, found by its name: `data.kind` takes the names of the files here."""

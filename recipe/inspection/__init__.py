"""What the data practices share: equal and near content, blank examples, raw columns, labels, and expectations."""

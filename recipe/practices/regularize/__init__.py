"""The recipe's fourth part: some training loss given up for validation loss."""

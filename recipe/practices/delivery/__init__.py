"""The practices of the data stage, asked of a delivery beside the data set that it is to join."""

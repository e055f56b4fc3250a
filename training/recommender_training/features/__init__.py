"""Point-in-time features, computed by one code in training and in the exported model."""

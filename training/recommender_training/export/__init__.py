"""TorchScript modules that answer requests from raw ids."""

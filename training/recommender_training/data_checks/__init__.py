"""Checks of a data version against the one that the model in place was trained on."""

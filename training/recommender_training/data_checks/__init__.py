"""Checks of a data version, and its comparison with the champion's training data."""

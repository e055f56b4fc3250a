"""Outcomes of predictions: sums over the users of each version and day: pure."""

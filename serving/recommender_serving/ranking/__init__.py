"""Rank items for a checked request: the model, else the baseline, else the popularity list."""

"""Shared basics of the training package; imports none of its other packages."""

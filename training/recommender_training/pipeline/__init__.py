"""Whole runs: from a data version to a staged artifact, with all that belongs to it."""

"""Experiments on users: assignment, holdout, interleaving, mirroring, and other versions."""

"""Metrics, intervals and tests on arrays. Pure."""

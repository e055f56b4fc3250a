"""Metrics of a window, and the evaluation report."""

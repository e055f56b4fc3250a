"""Hyperparameter search on the data before the test window; resumable."""

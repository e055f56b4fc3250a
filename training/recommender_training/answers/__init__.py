"""Answers of an artifact without a cluster, as the endpoint gives them."""

"""Peers: simple recommenders that answer the same requests as the model that is evaluated."""

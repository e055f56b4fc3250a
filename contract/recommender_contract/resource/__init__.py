"""Sections of RecommenderModel that several packages read.

They need pydantic, which the rest of the contract does not, so neither the console, nor the
kubectl plugin, nor the client imports them.
"""

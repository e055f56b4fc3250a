"""Fitted models: what a training hands on, and what they predict."""

"""Architectures: deep ranker, two towers, logistic regression, item-to-item weights."""

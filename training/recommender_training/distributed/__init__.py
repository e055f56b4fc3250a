"""Distributed training of one model in several processes."""

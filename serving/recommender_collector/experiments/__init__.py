"""Experiments of a model: moments over the users of each arm, kept one event at a time: pure."""

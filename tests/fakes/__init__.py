"""Fakes for the ports of the operator."""

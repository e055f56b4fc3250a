"""Data to try things with: generated shops."""

"""The statistics of experiments: which of two versions serves users better. Pure; no NumPy."""

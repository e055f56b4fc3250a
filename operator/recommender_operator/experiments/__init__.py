"""The statistics of experiments: who of two versions serves users better. Pure; no NumPy."""

"""Data to try things with: MovieLens, generated data, and the data of the demo."""

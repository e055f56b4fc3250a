"""Data to try things with: MovieLens, generated data, a shop, and the data of the demo."""

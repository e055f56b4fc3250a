"""Sample data: MovieLens, synthetic data, a generated shop, and the data of the demo."""

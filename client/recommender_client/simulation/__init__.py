"""Users with known preferences, who act against a live endpoint: `recommender-simulate`."""

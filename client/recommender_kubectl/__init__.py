"""`kubectl recommender`: what a RecommenderModel does, why, and the requests to it."""

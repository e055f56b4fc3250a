"""Methods against unfair results: weights of training rows, a bonus for item groups. Pure."""

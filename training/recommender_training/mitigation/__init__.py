"""What is done about unfair answers: weights of training rows, and a bonus for item groups."""

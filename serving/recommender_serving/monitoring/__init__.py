"""Count requests, answers and the bins of the drift features."""

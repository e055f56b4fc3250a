"""The deep ranker, the logistic regression and how they are fitted."""

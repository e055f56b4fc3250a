"""Models and their parts: deep ranker, two towers, logistic regression, item-to-item weights.

Modules of a network are here without their fits, which are in `trainer`. What a closed form or
scikit-learn fits has its fit beside it (`ease`, `item_transitions`, `item_weights`, `logistic`,
`neighbours`, `ivf_index`), and `tower_examples` has what the towers learn from.
"""

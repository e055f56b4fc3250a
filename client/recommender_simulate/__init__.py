"""Users with known tastes, who ask a live endpoint and act on what they see.

Their tastes are the truth that a recommender is to find: events go to the collector, training
learns from them, and the clicks per answer show whether it did. Because the truth is known, a
rollout or an experiment can be rehearsed before real users see it.
"""

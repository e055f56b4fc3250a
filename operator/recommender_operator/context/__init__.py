"""What a step gets: the context of a pass, to read, and its outcome, to record into."""

from recommender_operator.context.outcome import Outcome
from recommender_operator.context.reconcile_context import Context

__all__ = ["Context", "Outcome"]

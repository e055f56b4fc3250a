"""Which users an impression can name: pure."""

from __future__ import annotations

from recommender_contract.ids import MAX_INTEGER
from recommender_serving.domain.types import SMOKE_USER, RecommendRequest


def user_of(request: RecommendRequest) -> int | str | None:
    """Return the user of an impression; None if there is none, or one whom no log knows."""
    user = request.user_id if request.user_text is None else request.user_text
    if user == SMOKE_USER or (isinstance(user, int) and not 0 <= user <= MAX_INTEGER):
        return None
    return user

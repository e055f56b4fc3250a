"""Quotas bound one source, user and model, and leave the others alone."""

from __future__ import annotations

import pytest

from recommender_collector.api.quotas import Quotas
from recommender_collector.api.request_bodies import Refused
from recommender_collector.domain.batch_validation import Batch, validate_batch
from recommender_collector.domain.token_buckets import BURST_SECONDS, Rates, TokenBuckets
from tests.unit.recommender_collector.collector_samples import NOW, click, rules

MODELS = {"shop": rules(), "news": rules()}
BURST = int(10 * BURST_SECONDS)


class Desk:
    def __init__(self, **rates: float) -> None:
        self.now = 0.0
        self.quotas = Quotas(Rates(**rates), lambda: self.now)
        self.sent = 0

    def send(
        self, *users: str, model: str = "shop", source: str | None = "web"
    ) -> tuple[int, list[str | None]]:
        """Return the number of accepted events, and the ids of rejected ones."""
        raws = []
        for user in users:
            self.sent += 1
            raws.append(click(id=f"e{self.sent}", user=user, model=model))
        batch: Batch = validate_batch(raws, MODELS, NOW)
        self.quotas.admit(batch, source)
        accepted = sum(len(found.lines) for found in batch.events.values())
        return accepted, [each.id for each in batch.rejected]

    def waits(self, *users: str, model: str = "shop", source: str | None = "web") -> int | None:
        """Return the Retry-After of a refused request."""
        try:
            self.send(*users, model=model, source=source)
        except Refused as refused:
            return refused.retry_after if refused.status == 429 else -1
        return None


@pytest.mark.parametrize(
    ("kind", "other"),
    [("source", {"source": "app"}), ("source", {"source": None}), ("model", {"model": "news"})],
)
def test_a_quota_that_is_used_up_refuses_requests_until_it_is_earned_again(
    kind: str, other: dict[str, str | None]
) -> None:
    desk = Desk(**{kind: 10.0})
    assert desk.waits(*["ada"] * (BURST + 50)) is None, "a request may have more than the rest"
    assert desk.waits("bob") == 5
    assert desk.waits("bob", **other) is None  # type: ignore[arg-type]
    desk.now = 4.9
    assert desk.waits("bob") == 1
    desk.now = 5.1
    assert desk.waits("bob") is None


def test_a_user_over_the_quota_is_rejected_and_the_others_of_the_request_are_not() -> None:
    desk = Desk(user=10.0)
    desk.send(*["eve"] * (BURST + 20))
    assert desk.send("ada", "eve", "bob") == (2, [f"e{desk.sent - 1}"])
    assert desk.waits("eve", "eve") == 2
    assert desk.send("eve", model="news") == (1, []), "users of models are others"
    desk.now = 2.1
    assert desk.send("eve") == (1, [])


def test_without_quotas_nothing_is_refused() -> None:
    desk = Desk()
    for _ in range(3):
        assert desk.send(*["eve"] * 1000) == (1000, [])


def test_the_memory_of_names_is_bounded_and_the_most_silent_one_goes() -> None:
    buckets = TokenBuckets(1.0, lambda: 0.0, most=3)
    for number in range(100):
        buckets.take("eve", 20)
        buckets.take(number, 1)
    assert len(buckets) == 3
    assert buckets.wait("eve") > 0

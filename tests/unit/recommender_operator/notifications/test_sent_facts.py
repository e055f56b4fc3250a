"""Each fact is taken up once by a process, and again while it lasts."""

from __future__ import annotations

from recommender_operator.notifications.sent_facts import RENEW, SentFacts
from tests.fakes.kube import NOW


def test_a_fact_is_taken_up_once_for_each_receiver() -> None:
    memory = SentFacts()
    assert memory.due("ops", "a", NOW, lasting=False)
    assert memory.due("ci", "a", NOW, lasting=False)
    assert not memory.due("ops", "a", NOW + 10 * RENEW, lasting=False)


def test_what_lasts_is_taken_up_again_after_a_while() -> None:
    memory = SentFacts()
    assert memory.due("ops", "a", NOW, lasting=True)
    assert not memory.due("ops", "a", NOW + RENEW / 2, lasting=True)
    assert memory.due("ops", "a", NOW + RENEW, lasting=True)
    assert not memory.due("ops", "a", NOW + RENEW * 1.5, lasting=True)


def test_it_remembers_a_bounded_number() -> None:
    memory = SentFacts(remembered=2)
    for name in ("a", "b", "c"):
        assert memory.due("ops", name, NOW, lasting=False)
    assert memory.due("ops", "a", NOW, lasting=False)
    assert not memory.due("ops", "c", NOW, lasting=False)


def test_what_is_forgotten_is_taken_up_again() -> None:
    memory = SentFacts()
    for _ in range(2):
        assert memory.due("ops", "a", NOW, lasting=False)
        memory.forget("ops", "a")
    memory.forget("ops", "a")

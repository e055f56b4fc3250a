"""The record of the election: who may take the Lease, and when, by each process's own clock."""

from __future__ import annotations

import datetime

from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.controller.lease import LeaseView, Record, Terms, released

NOW = datetime.datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=datetime.UTC)
TERMS = Terms(10)


def test_the_default_of_ten_seconds_gives_the_usual_deadline_and_retry() -> None:
    assert (TERMS.duration, TERMS.deadline, TERMS.retry) == (10, 7, 2)


def test_a_record_survives_the_lease_and_an_invalid_one_counts_as_absent() -> None:
    record = Record("a", 10, "t1", "t2", 3)
    assert Record.of({"spec": record.spec()}) == record
    odd = {"holderIdentity": None, "leaseDurationSeconds": "ten", "leaseTransitions": None}
    assert Record.of({"spec": odd}) == Record.of({}) == Record()


def test_a_lease_without_a_holder_is_taken_at_once() -> None:
    view = LeaseView("me", TERMS)
    assert view.wait(0) == 0
    view.see(Record(transitions=4), 0)
    assert view.wait(0) == 0
    taken = view.claim(NOW)
    assert (taken.holder, taken.transitions) == ("me", 5)
    assert taken.acquired == taken.renewed == "2026-01-01T12:00:00.000005Z"


def test_the_first_holder_is_not_a_transition() -> None:
    assert LeaseView("me", TERMS).claim(NOW).transitions == 0


def test_a_renewal_keeps_when_and_how_often_it_was_taken() -> None:
    view = LeaseView("me", TERMS)
    view.see(Record("me", 10, "before", "before", 4), 0)
    renewed = view.claim(NOW)
    assert (renewed.acquired, renewed.transitions) == ("before", 4)
    assert renewed.renewed != "before"


def test_a_record_without_a_duration_uses_the_standbys_terms() -> None:
    view = LeaseView("me", TERMS)
    view.see(Record("other"), 0)
    assert view.wait(0) == TERMS.duration


def test_a_process_does_not_wait_for_its_own_record() -> None:
    """The answer to the write by which it took the Lease may have been lost."""
    view = LeaseView("me", TERMS)
    view.see(Record("me", 10), 0)
    assert view.wait(0) == 0


def test_the_duration_in_the_holders_record_counts() -> None:
    view = LeaseView("me", TERMS)
    view.see(Record("other", 30), 0)
    assert view.wait(10) == 20


def test_a_released_lease_has_no_holder_and_keeps_its_count() -> None:
    gone = released(Record("me", 10, "t1", "t2", 3), NOW)
    assert (gone.holder, gone.duration, gone.transitions) == ("", 1, 3)


@given(
    st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=30),
    st.datetimes(timezones=st.just(datetime.UTC)),
)
def test_a_lease_is_taken_only_if_its_record_was_unchanged_for_its_whole_duration(
    steps: list[tuple[float, bool]], wall: datetime.datetime
) -> None:
    """The holder's wall clock may show any time."""
    view, now, changed, count = LeaseView("me", TERMS), 0.0, 0.0, 0
    view.see(Record("other", 10, renewed=wall.isoformat()), now)
    for pause, renews in steps:
        now += pause
        if renews:
            count += 1
            record = Record("other", 10, renewed=f"{wall.isoformat()} {count}")
            view.see(record, now)
            changed = now
        else:
            view.see(view.record or Record(), now)
        assert view.wait(now) == max(0.0, changed + 10 - now)

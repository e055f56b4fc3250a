"""Sessions end, are limited in number, and never show their token."""

from __future__ import annotations

import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from recommender_console.sessions import IDLE, LONGEST, Sessions, Tickets, expiry


def jwt(**claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


def test_a_session_is_found_by_its_id_alone() -> None:
    sessions = Sessions()
    one = sessions.open("secret", "jane", 0)
    assert sessions.find(one.id, 1) is one
    assert sessions.find("secret", 1) is None
    assert len(one.id) >= 43


def test_a_session_ends_after_a_while_without_requests() -> None:
    sessions = Sessions()
    one = sessions.open("secret", "jane", 0)
    assert sessions.find(one.id, IDLE - 1) is one
    assert sessions.find(one.id, 2 * IDLE - 2) is one
    assert sessions.find(one.id, 3 * IDLE) is None
    assert len(sessions) == 0


def test_a_session_ends_in_time_however_busy_it_is() -> None:
    sessions = Sessions()
    one = sessions.open("secret", "jane", 0)
    at = 0.0
    while at < LONGEST:
        assert sessions.find(one.id, at) is one
        at += IDLE / 2
    assert sessions.find(one.id, LONGEST) is None


def test_a_session_ends_with_its_token() -> None:
    sessions = Sessions()
    one = sessions.open(jwt(exp=100), "jane", 0)
    assert sessions.find(one.id, 99) is one
    assert sessions.find(one.id, 100) is None


def test_one_session_too_many_ends_the_one_that_was_idle_for_longest() -> None:
    sessions = Sessions(most=2)
    first, second = sessions.open("a", "a", 0), sessions.open("b", "b", 0)
    assert sessions.find(first.id, 1) is first
    third = sessions.open("c", "c", 2)
    assert sessions.find(second.id, 3) is None
    assert sessions.find(first.id, 3) is first
    assert sessions.find(third.id, 3) is third


def test_a_user_with_many_sessions_ends_only_their_own() -> None:
    sessions = Sessions(most=10, most_of_user=3)
    others = [sessions.open(name, name, 0) for name in ("jane", "joe")]
    mine = [sessions.open(f"token-{n}", "eve", 1) for n in range(50)]
    assert all(sessions.find(one.id, 2) for one in others)
    assert [one for one in mine if sessions.find(one.id, 2)] == mine[-3:]


def test_where_all_are_too_many_one_of_the_user_with_the_most_ends() -> None:
    sessions = Sessions(most=4, most_of_user=3)
    jane = sessions.open("a", "jane", 0)
    eve = [sessions.open(f"token-{n}", "eve", 1) for n in range(3)]
    joe = sessions.open("b", "joe", 2)
    assert sessions.find(jane.id, 3) is jane
    assert sessions.find(joe.id, 3) is joe
    assert [one for one in eve if sessions.find(one.id, 3)] == eve[1:]


def test_a_closed_session_is_gone() -> None:
    sessions = Sessions()
    one = sessions.open("secret", "jane", 0)
    sessions.close(one.id)
    assert sessions.find(one.id, 1) is None


def test_no_text_of_a_session_has_its_token_or_its_id() -> None:
    one = Sessions().open("secret", "jane", 0)
    assert "secret" not in repr(one)
    assert one.id not in repr(one)


def test_a_ticket_is_good_for_its_visitor_and_its_process_alone() -> None:
    tickets = Tickets()
    assert tickets.fits(tickets.of("a"), "a")
    assert not tickets.fits(tickets.of("a"), "b")
    assert not Tickets().fits(tickets.of("a"), "a")
    assert not tickets.fits("", "a")
    assert not tickets.fits("\u00e4", "a")


@given(st.text() | st.builds(lambda c: f"a.{c}.b", st.text(alphabet="eyJhbGciOiJIUzI1NiJ9-_=")))
def test_no_token_breaks_the_search_for_its_end(token: str) -> None:
    found = expiry(token)
    assert found is None or isinstance(found, float)


def test_only_a_jwt_says_when_it_ends() -> None:
    assert expiry(jwt(exp=5)) == 5.0
    assert expiry(jwt(exp="soon")) is None
    assert expiry(jwt()) is None
    assert expiry("opaque") is None

"""A user sees the version that the header of the route says, on every pod and in every phase."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.bands import UNKNOWN
from recommender_contract.headers import BUCKETS
from recommender_serving.domain.types import NOBODY, SMOKE_USER
from recommender_serving.experiments.assignment import (
    MAX_HEADER,
    Arm,
    Assignment,
    Experiment,
    bucket,
    parse_experiment,
    randomization_unit,
)
from tests.experiment_vectors import vectors
from tests.unit.recommender_serving.serving_samples import request

NEW, OTHER, RECEIVER = "movies-11111111", "movies-22222222", "movies-00000000"
HEADER = f"id=0a1b2c3d;phase=3;cap=1000;arms={NEW}:0-500,{OTHER}:9500-10000"
USERS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
IDS = st.text("0123456789abcdef", min_size=8, max_size=8)


def one_arm(id_: str, end: int) -> Experiment:
    return parse_experiment(f"id={id_};phase=0;cap=1;arms={NEW}:0-{end}", "movies")


@pytest.mark.parametrize(("id_", "user", "place"), vectors())
def test_buckets_are_those_of_the_contract(id_: str, user: str, place: int) -> None:
    assert bucket(id_, user) == place


def test_a_header_says_experiment_phase_cap_and_candidates() -> None:
    arms = (Arm(NEW, 0, 500), Arm(OTHER, 9500, BUCKETS))
    assert parse_experiment(HEADER, "movies") == Experiment("0a1b2c3d", 3, 1000.0, arms)


@pytest.mark.parametrize(("cap", "value"), [("0.5", 0.5), ("1e+06", 1e6), ("1000.0", 1000.0)])
def test_a_cap_may_be_written_in_any_usual_way(cap: str, value: float) -> None:
    assert parse_experiment(HEADER.replace("cap=1000", f"cap={cap}"), "movies").cap == value


@pytest.mark.parametrize(
    "header",
    [
        "",
        HEADER.replace("0a1b2c3d", "0A1B2C3D"),
        HEADER.replace("0a1b2c3d", "0a1b2c3"),
        HEADER.replace("phase=3", "phase=100"),
        HEADER.replace("phase=3", "phase=-1"),
        HEADER.replace("phase=3", "phase=٣"),
        HEADER.replace("cap=1000", "cap=0"),
        HEADER.replace("cap=1000", "cap=nan"),
        HEADER.replace("cap=1000", "cap=1e999"),
        HEADER.replace("cap=1000", "cap=-1"),
        HEADER.replace("movies-11111111", "movies-1111111g"),
        HEADER.replace("movies-11111111", "shop-11111111"),
        HEADER.replace("movies-11111111", "movies-x-11111111"),
        HEADER.replace("movies-11111111", "evil.example/movies-11111111"),
        HEADER.replace("0-500", "500-0"),
        HEADER.replace("10000", "10001"),
        HEADER.replace("0-500", "0-9501"),
        HEADER.replace(OTHER, NEW),
        HEADER.replace(";arms", ";weight=1;arms"),
        HEADER + ",",
        HEADER + ";segments=",
        HEADER + ";segments=Device",
        HEADER + ";segments=a,b,c,d",
        HEADER + ";segments=device;x=1",
        HEADER + ";withdrawn=",
        HEADER + ";withdrawn=movies-33333333",
        HEADER + f";withdrawn={NEW},",
        HEADER + f";withdrawn={NEW};segments=device",
        HEADER + "\n",
        HEADER + "\r\nx-other: 1",
        HEADER.split(";arms")[0],
        "id=0a1b2c3d;phase=3;cap=1000;arms="
        + ",".join(f"movies-{place:08x}:{place}-{place + 1}" for place in range(9)),
        HEADER + " " * MAX_HEADER,
    ],
)
def test_a_header_that_does_not_parse_is_refused(header: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text depends on the fault
        parse_experiment(header, "movies")


@given(st.text(max_size=200) | st.text("id=0a1b2c3d;phase=3;cap=9;arms=movies-:,0", max_size=99))
def test_whatever_a_header_has_it_is_read_or_refused(text: str) -> None:
    try:
        found = parse_experiment(text, "movies")
    except ValueError:
        return
    assert found.arms
    assert all(0 <= arm.first <= arm.end <= BUCKETS for arm in found.arms)


@given(IDS, USERS)
def test_every_bucket_is_in_range(id_: str, user: str) -> None:
    assert 0 <= bucket(id_, user) < BUCKETS


@given(IDS, USERS, st.integers(0, BUCKETS), st.integers(0, BUCKETS))
def test_a_wider_range_takes_no_user_from_the_candidate(
    id_: str, user: str, one: int, other: int
) -> None:
    narrow, wide = sorted((one, other))
    if one_arm(id_, narrow).candidate_of(user) == NEW:
        assert one_arm(id_, wide).candidate_of(user) == NEW


@given(USERS, st.sampled_from([NEW, OTHER]))
def test_a_withdrawn_candidate_keeps_its_users_for_the_count(user: str, gone: str) -> None:
    found = parse_experiment(HEADER + f";segments=device;withdrawn={gone}", "movies")
    assert found.withdrawn == (gone,)
    assert found.candidate_of(user) == parse_experiment(HEADER, "movies").candidate_of(user)


@given(IDS, USERS, st.sampled_from([RECEIVER, NEW]))
def test_the_arm_is_a_candidate_or_the_receiver(id_: str, user: str, receiver: str) -> None:
    assert one_arm(id_, 0).assignment(user, receiver) == Assignment(id_, 0, 1.0, receiver)
    assert one_arm(id_, BUCKETS).assignment(user, receiver).arm == NEW


def test_users_spread_evenly_and_the_salt_mixes_them_anew() -> None:
    users = [str(number) for number in range(20_000)]
    counts = Counter(bucket("0a1b2c3d", user) // 1000 for user in users)
    assert sum((count - 2000) ** 2 / 2000 for count in counts.values()) < 27.9  # p = 0.001
    both = sum(
        bucket("0a1b2c3d", user) < 5000 and bucket("0a1b2c3e", user) < 5000 for user in users
    )
    assert abs(both - 5000) < 250


def test_users_are_divided_by_what_their_request_says() -> None:
    found = parse_experiment(HEADER + ";segments=device,age,is_member", "movies")
    said = {"device": "a phone that no version knows", "is_member": "true", "age": 41.0}
    told = dict(found.segments_of(request(features=said), {}, {}))
    assert told == {"device": said["device"], "age": UNKNOWN, "is_member": "true"}
    for odd in ("", "x" * 65, "a\n"):
        told = dict(found.segments_of(request(features={"device": odd}), {}, {}))
        assert told["device"] == UNKNOWN
    assert not parse_experiment(HEADER, "movies").segments_of(request(features=said), {}, {})


def test_a_request_is_assigned_by_its_user_else_by_its_session() -> None:
    assert randomization_unit(request(user_id=7, session_id="s")) == "7"
    assert randomization_unit(request(user_id=5, user_text="ada", session_id="s")) == "ada"
    assert randomization_unit(request(user_id=NOBODY, session_id="s")) == "session:s"
    assert randomization_unit(request(user_id=NOBODY)) is None


def test_the_smoke_inference_is_in_no_experiment() -> None:
    assert randomization_unit(request(user_id=NOBODY)) is None
    assert randomization_unit(request(user_id=5, user_text=SMOKE_USER)) is None

"""The header that assigns users to versions, and the route that sets it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recommender_contract.headers import (
    BUCKETS,
    COPY_HEADER,
    EXPERIMENT_HEADER,
    FORWARDED_HEADER,
    NOT_OF_CLIENTS,
)
from recommender_operator.observed import PLAIN, Routing
from recommender_operator.resources import assignment_header, http_route
from recommender_operator.resources.assignment_header import Assignment, Further, Group
from recommender_serving.experiments import assignment as served
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model

STABLE, CANDIDATE = "movies-0123abcd", "movies-4567cdef"
ASSIGNMENTS = st.builds(
    Assignment,
    id=st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    phase=st.integers(0, 99),
    cap=st.floats(0.01, 1e9),
    candidate=st.just(CANDIDATE),
    percent=st.integers(1, 99),
    segments=st.lists(
        st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True), max_size=3, unique=True
    ).map(tuple),
    slower_than=st.none() | st.integers(1, 60_000),
    group=st.none()
    | st.builds(
        Group,
        feature=st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True),
        categories=st.lists(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10),
            min_size=1,
            max_size=20,
        ).map(tuple),
    ),
)
OTHERS = ("movies-89abcdef", "movies-00000001", "movies-00000002")


@st.composite
def several(draw: st.DrawFn) -> list[Assignment]:
    """The phases of a ramp with further versions, some of which are left out or withdrawn."""
    count = draw(st.integers(1, len(OTHERS)))
    weight = draw(st.integers(1, 99 // (count + 1)))
    shares = sorted({*draw(st.lists(st.integers(1, weight), max_size=4)), weight})
    left, phases = list(range(count)), []
    for number, share in enumerate(shares):
        gone = draw(st.sets(st.sampled_from(left))) if left else set()
        for withdrawn in (set(), gone) if gone else (set(),):
            further = [
                Further(version=OTHERS[at], first=(at + 1) * weight, withdrawn=at in withdrawn)
                for at in left
            ]
            phases.append(
                Assignment(
                    id="00c0ffee",
                    phase=number,
                    cap=1000,
                    candidate=CANDIDATE,
                    percent=share,
                    segments=("device",),
                    further=tuple(further),
                )
            )
        left = [at for at in left if at not in gone]
    return phases


def route(users: Assignment, *, tester: str = "", tested: str = "") -> Any:
    weights = {STABLE: 100 - users.percent, CANDIDATE: users.percent}
    routing = Routing(experiment=users.header, tester=tester, tested=tested)
    return http_route.http_route(model(), weights, OPTIONS, routing=routing)


@given(ASSIGNMENTS | several().map(lambda phases: phases[-1]))
def test_a_header_says_what_was_assigned(users: Assignment) -> None:
    assert assignment_header.parse(users.header) == users


def test_a_header_has_the_form_of_the_contract() -> None:
    users = Assignment(id="00c0ffee", phase=3, cap=1000, candidate=CANDIDATE, percent=50)
    assert users.header == f"id=00c0ffee;phase=3;cap=1000;arms={CANDIDATE}:0-5000"
    divided = dataclasses.replace(users, segments=("device", "age"))
    assert divided.header == f"{users.header};segments=device,age"
    group = Group(feature="genre", categories=("Film-Noir",))
    watched = dataclasses.replace(users, slower_than=200, group=group)
    assert watched.header == f"{users.header};requests=200;group=genre:WyJGaWxtLU5vaXIiXQ"


@given(ASSIGNMENTS)
@example(Assignment(id="0" * 8, phase=0, cap=0.1 + 0.2, candidate=CANDIDATE, percent=1))
@example(Assignment(id="0" * 8, phase=0, cap=0.1**4 / 3, candidate=CANDIDATE, percent=1))
@example(Assignment(id="0" * 8, phase=0, cap=0.1**3 / 9, candidate=CANDIDATE, percent=1))
@example(Assignment(id="0" * 8, phase=0, cap=2.0**53, candidate=CANDIDATE, percent=1))
@example(Assignment(id="0" * 8, phase=0, cap=1e22 / 3, candidate=CANDIDATE, percent=1))
def test_the_transformers_read_the_header(users: Assignment) -> None:
    found = served.parse_experiment(users.header, "movies")
    assert (found.id, found.phase, found.segments) == (users.id, users.phase, users.segments)
    assert found.cap == users.cap
    assert found.arms == ((CANDIDATE, 0, 100 * users.percent),)
    assert found.guardrails.slower_than == users.slower_than
    group = found.guardrails.group
    assert (group is None) is (users.group is None)
    if group is not None and users.group is not None:
        assert group == (users.group.feature, frozenset(users.group.categories))


@given(ASSIGNMENTS)
def test_a_wider_share_keeps_every_user_of_a_narrower_one(users: Assignment) -> None:
    plain = vars(users) | {"segments": (), "slower_than": None, "group": None}
    ends = [
        int(Assignment(**{**plain, "percent": percent}).header.rpartition("-")[2])
        for percent in range(1, 100)
    ]
    assert ends == sorted(set(ends))
    assert ends[-1] < BUCKETS


def test_further_versions_are_in_the_header_and_a_withdrawn_one_keeps_its_range() -> None:
    users = Assignment(
        id="00c0ffee", phase=3, cap=1000, candidate=CANDIDATE, percent=10,
        further=(
            Further(version=OTHERS[0], first=20),
            Further(version=OTHERS[1], first=40, withdrawn=True),
        ),
    )  # fmt: skip
    assert users.header == (
        f"id=00c0ffee;phase=3;cap=1000;arms={CANDIDATE}:0-1000,{OTHERS[0]}:2000-3000,"
        f"{OTHERS[1]}:4000-5000;withdrawn={OTHERS[1]}"
    )
    assert assignment_header.served(users.header) == {CANDIDATE, OTHERS[0]}
    assert users.elsewhere == 10
    assert assignment_header.served("") == frozenset()


def answers(users: Assignment, place: int) -> str:
    """The version that answers the user of a bucket, as the transformers read the header."""
    found = served.parse_experiment(users.header, "movies")
    arm = next((a.version for a in found.arms if a.first <= place < a.end), STABLE)
    return STABLE if arm in found.withdrawn else arm


@given(several(), st.lists(st.integers(0, BUCKETS - 1), min_size=1, max_size=50))
def test_no_ramp_and_no_withdrawal_moves_a_user_between_two_versions_that_are_compared(
    phases: list[Assignment], places: list[int]
) -> None:
    edges = [
        edge
        for users in phases
        for arm in served.parse_experiment(users.header, "movies").arms
        for edge in (arm.first, arm.end - 1)
    ]
    gone = {each.version for users in phases for each in users.further if each.withdrawn}
    for place in (*places, *edges):
        seen = [answers(users, place) for users in phases]
        compared = [version for version in dict.fromkeys(seen) if version != STABLE]
        assert len(compared) <= 1, seen
        for version in compared:
            kept = seen[seen.index(version) :]
            assert version in gone or STABLE not in kept, "it keeps every user"


@given(several())
def test_the_champion_keeps_users_and_each_version_has_as_many_as_the_candidate(
    phases: list[Assignment],
) -> None:
    for users in phases:
        found = served.parse_experiment(users.header, "movies")
        assert {arm.end - arm.first for arm in found.arms} == {100 * users.percent}
        assert sum(arm.end - arm.first for arm in found.arms) < BUCKETS
        assert found.withdrawn == tuple(e.version for e in users.further if e.withdrawn)
        made = route(users)
        assert http_route.weights_of(made) == {
            STABLE: 100 - users.percent,
            CANDIDATE: users.percent,
        }
        assert http_route.routing_of(made) == Routing(experiment=users.header)


@pytest.mark.parametrize(
    "text",
    [
        "", "id=1", "id=00c0ffee;phase=3;cap=1000;arms=a:5-50",
        "id=00c0ffee;phase=3;cap=1000;arms=a:0-55", "id=00c0ffee;phase=3;cap=1000;arms=a:0-0",
        "id=00c0ffee;phase=3;cap=1000;arms=a:0-10000", "id=00c0ffee;phase=100;cap=1;arms=a:0-100",
        "id=00c0ffee;phase=3;cap=1.2.3;arms=a:0-100", "id=00C0FFEE;phase=3;cap=1;arms=a:0-100",
        "id=00c0ffee;phase=3;cap=1000;arms=a:0-200,b:100-300",
        "id=00c0ffee;phase=3;cap=1000;arms=a:0-100,b:100-300",
        "id=00c0ffee;phase=3;cap=1000;arms=a:0-100,a:100-200",
        "id=00c0ffee;phase=3;cap=1000;arms=a:0-100,b:100-250",
        "id=00c0ffee;phase=3;cap=1000;arms=a:0-5000,b:5000-10000",
    ],
)  # fmt: skip
def test_a_header_of_somebody_else_is_no_assignment(text: str) -> None:
    assert assignment_header.parse(text) is None


@given(ASSIGNMENTS)
def test_a_route_of_an_experiment_sends_all_requests_to_the_stable_version(
    users: Assignment,
) -> None:
    made = route(users)
    for rule in made["spec"]["rules"]:
        assert [b["name"] for b in rule["backendRefs"]] == [f"{STABLE}-transformer"]
        assert [b["weight"] for b in rule["backendRefs"]] == [100]
    assert http_route.weights_of(made) == {
        STABLE: 100 - users.percent,
        CANDIDATE: users.percent,
    }
    assert http_route.routing_of(made) == Routing(experiment=users.header)


def test_testers_reach_the_candidate_alone_and_are_no_part_of_the_experiment() -> None:
    users = Assignment(id="00c0ffee", phase=0, cap=1000, candidate=CANDIDATE, percent=10)
    made = route(users, tester="let-me-see-it-first", tested=CANDIDATE)
    *testers, _, _ = made["spec"]["rules"]
    assert len(testers) == 2
    for rule in testers:
        assert [b["name"] for b in rule["backendRefs"]] == [f"{CANDIDATE}-transformer"]
        assert {h["value"] for m in rule["matches"] for h in m["headers"]} == {
            "let-me-see-it-first"
        }
        assert EXPERIMENT_HEADER in rule["filters"][0]["requestHeaderModifier"]["remove"]
    assert http_route.weights_of(made) == {STABLE: 90, CANDIDATE: 10}
    assert http_route.routing_of(made) == Routing(
        experiment=users.header, tester="let-me-see-it-first", tested=CANDIDATE
    )


@pytest.mark.parametrize("experiment", ["", "00c0ffee"])
@pytest.mark.parametrize("tester", ["", "let-me-see-it-first"])
def test_no_client_can_put_itself_into_an_experiment(experiment: str, tester: str) -> None:
    users = Assignment(id="00c0ffee", phase=0, cap=1000, candidate=CANDIDATE, percent=10)
    routing = Routing(
        experiment=users.header if experiment else "",
        tester=tester,
        tested=CANDIDATE if tester else "",
    )
    made = http_route.http_route(model(), {STABLE: 90, CANDIDATE: 10}, OPTIONS, routing=routing)
    for rule in made["spec"]["rules"]:
        (modifier,) = [f["requestHeaderModifier"] for f in rule["filters"]]
        written = {each["name"] for each in modifier.get("set", [])} | set(modifier["remove"])
        assert written == set(NOT_OF_CLIENTS)
        assert {FORWARDED_HEADER, COPY_HEADER} <= set(modifier["remove"])


@pytest.mark.parametrize(
    "weights",
    [
        {STABLE: 100}, {STABLE: 80, CANDIDATE: 20}, {CANDIDATE: 100},
        {STABLE: 45, "movies-9": 45, CANDIDATE: 10},
    ],
)  # fmt: skip
def test_a_header_that_does_not_fit_the_weights_is_refused(weights: dict[str, int]) -> None:
    users = Assignment(id="00c0ffee", phase=0, cap=1000, candidate=CANDIDATE, percent=10)
    routing = Routing(experiment=users.header)
    with pytest.raises(ValueError, match="not those of the header"):
        http_route.http_route(model(), weights, OPTIONS, routing=routing)


def test_a_route_without_an_experiment_has_no_header_to_report() -> None:
    made = http_route.http_route(model(), {STABLE: 90, CANDIDATE: 10}, OPTIONS)
    assert http_route.routing_of(made) == PLAIN
    assert http_route.routing_of({}) == PLAIN

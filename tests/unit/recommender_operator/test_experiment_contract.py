"""What the collector answers about an experiment is what the operator reads."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.api.experiment_routes import shown
from recommender_collector.experiments import moments as counted
from recommender_collector.experiments.experiment import MOST_ARMS, OTHER, part_of
from recommender_collector.experiments.moments import COMPONENTS, SCALE, UserMoments
from recommender_collector.store.experiment_store import Account
from recommender_operator.adapters.counters.collector_client import parse
from recommender_operator.api.rules import MAX_MODEL_NAME
from recommender_operator.api.spec import ExperimentMetric, ExperimentSpec, PrimaryMetric
from recommender_operator.api.spec_experiment import MAX_FURTHER
from recommender_operator.api.version_experiment import (
    ArmStatus,
    ExperimentPhase,
    ExperimentStatus,
)
from recommender_operator.experiments.arm_moments import COMPONENTS as READ
from recommender_operator.experiments.arm_moments import DAYS
from recommender_operator.resources.assignment_header import Assignment, Further, Group
from recommender_operator.rollout import collected_moments
from recommender_serving.experiments import assignment as served
from recommender_serving.experiments.peers import MOST_PEERS
from tests.fakes.kube import NOW

CHAMPION, CANDIDATE = "movies-0123abcd", "movies-4567cdef"
PLAN = ExperimentSpec(
    primary=(PrimaryMetric(metric=ExperimentMetric.CONVERSION_RATE, smallest_effect=0.1),)
)
EXPERIMENT = ExperimentStatus(
    id="00c0ffee",
    plan=PLAN,
    phases=(ExperimentPhase(number=3, weight=50, stable=CHAMPION, since=NOW),),
)
#: Whole numbers as the collector keeps them: money and seconds in thousandths.
VECTORS = st.tuples(*[st.integers(0, 10**9) for _ in COMPONENTS])


def test_both_have_the_same_components() -> None:
    assert COMPONENTS == READ
    assert counted.DAY_COMPONENTS == DAYS


def test_the_details_of_a_phase_are_read_from_it_alone() -> None:
    arm, days = counted.Moments(), counted.Moments.empty(len(DAYS))
    arm.add(UserMoments(CANDIDATE, False, tuple(range(len(COMPONENTS))), ()), 1)
    days.count(tuple(1000 * (place + 1) for place in range(len(DAYS))), 1)
    cells = {CANDIDATE: arm, counted.days_of(CANDIDATE): days}
    cells |= {f"{CANDIDATE} {part_of('device', place)}": arm for place in (0, OTHER)}
    segments = {"device": ["phone", "tv"]}
    account = Account(watermark=12.5, since={3: 1000}, moments={3: cells}, segments=segments)
    for detailed in (3, 2, None):
        body = parse(orjson.dumps(shown("00c0ffee", account, detailed)))
        (phase,) = collected_moments.read_phases(body, EXPERIMENT, CHAMPION, CANDIDATE)
        assert phase.of(CANDIDATE).users == 1
        assert list(phase.days) == ([CANDIDATE] if detailed == 3 else [])
        by_device = {"phone": phase.arms, None: phase.arms}
        assert phase.segments == ({"device": by_device} if detailed == 3 else {})
        if detailed == 3:
            seen = phase.days[CANDIDATE]
            assert seen.sums["first.dwell"] == DAYS.index("first.dwell") + 1
            assert seen.sums["later.clicks"] == 1000 * (DAYS.index("later.clicks") + 1)
            assert seen.products["first.dwell*later.revenue"] == (
                seen.sums["first.dwell"] * seen.sums["later.revenue"]
            )


@given(st.lists(VECTORS, max_size=8), st.integers(0, 5), st.integers(0, 5))
def test_what_the_collector_counted_is_what_the_operator_reads(
    users: list[tuple[int, ...]], mixed: int, disagreed: int
) -> None:
    arm = counted.Moments(mixed=mixed, disagreed=disagreed)
    for vector in users:
        arm.add(UserMoments(arm=CANDIDATE, mixed=False, vector=vector, disagreed=()), 1)
    account = Account(watermark=12.5, since={3: 1000}, moments={3: {CANDIDATE: arm}})
    body = parse(orjson.dumps(shown("00c0ffee", account)))
    (phase,) = collected_moments.read_phases(body, EXPERIMENT, CHAMPION, CANDIDATE)
    seen = phase.of(CANDIDATE)
    told = sum(phase.disagreed.values())
    assert (seen.users, phase.mixed, told) == (len(users), mixed, disagreed)
    for place, name in enumerate(COMPONENTS):
        unit = SCALE if name in ("dwell", "revenue") else 1
        assert seen.sums[name] == sum(vector[place] for vector in users) / unit
    assert collected_moments.watermark(body) == 12.5


def test_a_withdrawn_version_counts_for_the_sample_ratio_and_for_mixed_users_alone() -> None:
    other = "movies-89abcdef"
    phase = ExperimentPhase(number=3, weight=20, stable=CHAMPION, since=NOW, arms=(other,))
    arms = (ArmStatus(version=other, withdrawn="it harms"),)
    experiment = EXPERIMENT.model_copy(update={"phases": (phase,), "arms": arms})
    cells = {other: counted.Moments(mixed=4, disagreed=9)}
    account = Account(watermark=12.5, since={3: 1000}, moments={3: cells})
    body = parse(orjson.dumps(shown("00c0ffee", account)))
    (read,) = collected_moments.read_phases(body, experiment, CHAMPION, CANDIDATE)
    assert read.weights == {CHAMPION: 60, CANDIDATE: 20, other: 20}
    assert (read.further, read.mixed, read.disagreed) == ((), 4, {other: 9})
    assert read.beside(CANDIDATE).disagreed == {}


def test_transformers_and_collector_have_room_for_the_longest_header() -> None:
    model = "m" * MAX_MODEL_NAME
    versions = [f"{model}-{number:08x}" for number in range(1 + MAX_FURTHER)]
    users = Assignment(
        id="00c0ffee", phase=99, cap=1e9 / 3, candidate=versions[0], percent=24,
        segments=tuple(f"{letter * 40}" for letter in "abc"),
        further=tuple(
            Further(version=name, first=24 * place, withdrawn=True)
            for place, name in enumerate(versions[1:], start=1)
        ),
        slower_than=60_000,
        # As many characters as the API takes, each of as many bytes as there are.
        group=Group(feature="d" * 40, categories=("\N{SHOPPING TROLLEY}" * 10,) * 20),
    )  # fmt: skip
    assert len(served.parse_experiment(users.header, model).arms) == len(versions) <= MOST_PEERS
    assert len(versions) + 2 <= MOST_ARMS, "with the champion and a standby in its place"


def test_an_experiment_that_nobody_has_seen_has_no_users() -> None:
    account = Account(watermark=12.5, since={}, moments={})
    body = parse(orjson.dumps(shown("00c0ffee", account)))
    (phase,) = collected_moments.read_phases(body, EXPERIMENT, CHAMPION, CANDIDATE)
    assert phase.arms == {}

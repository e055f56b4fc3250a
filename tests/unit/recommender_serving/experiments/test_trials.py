"""What a version does about the headers of an experiment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.features import Kind
from recommender_serving.domain.bands import header_of
from recommender_serving.domain.features import Feature, Features, Place
from recommender_serving.domain.types import NOBODY
from recommender_serving.experiments.trials import Trial, Trials
from tests.unit.recommender_serving.serving_samples import request
from tests.unit.recommender_serving.serving_versions import (
    CANDIDATE,
    EXPERIMENT,
    HEADERS,
    OURS,
    RECEIVER,
    THEIRS,
)


class Reader:
    """Headers as a version reads them, and how many it ignored."""

    def __init__(self, version: str = RECEIVER, features: Features | None = None) -> None:
        self.ignored = 0
        self._trials = Trials("movies", version, self._count, features)

    def _count(self) -> None:
        self.ignored += 1

    def __call__(self, **headers: str) -> Trial | None:
        return self._trials.trial_of(
            {name.replace("_", "-"): text for name, text in headers.items()}
        )

    def seen(self, **more: str) -> Trial:
        found = self(x_recommender_experiment=EXPERIMENT, **more)
        assert found is not None
        return found


def away(trial: Trial, user: int) -> str | None:
    return trial.away(trial.assignment(request(user_id=user)))


def test_users_of_the_candidate_are_forwarded_and_others_are_not() -> None:
    trial = Reader().seen()
    assert {away(trial, user) for user in THEIRS} == {CANDIDATE}
    assert {away(trial, user) for user in OURS} == {None}


def test_users_of_a_withdrawn_version_stay_here_and_count_as_its_own() -> None:
    header = f"{EXPERIMENT};withdrawn={CANDIDATE}"
    trial = Reader()(x_recommender_experiment=header)
    assert trial is not None
    assert {away(trial, user) for user in THEIRS + OURS} == {None}
    assigned = [trial.assignment(request(user_id=user)) for user in THEIRS]
    assert {each.arm for each in assigned if each is not None} == {CANDIDATE}


def test_the_arm_of_other_users_is_the_receiver() -> None:
    for reader, more in (
        (Reader(), {}),
        (Reader(CANDIDATE), {"x_recommender_forwarded": RECEIVER}),
    ):
        found = reader.seen(**more).assignment(request(user_id=OURS[0]))
        assert found is not None
        assert found.arm == RECEIVER


@pytest.mark.parametrize("by", [RECEIVER, CANDIDATE, "movies-99999999", "", "a host/../"])
def test_a_forwarded_request_is_never_forwarded_again(by: str) -> None:
    for version in (RECEIVER, CANDIDATE, "movies-22222222"):
        trial = Reader(version).seen(x_recommender_forwarded=by)
        assert {away(trial, user) for user in THEIRS + OURS} == {None}


def test_the_candidate_forwards_none_of_its_own_users() -> None:
    trial = Reader(CANDIDATE).seen()
    assert {away(trial, user) for user in THEIRS} == {None}


def test_a_request_without_user_and_session_is_in_no_experiment() -> None:
    trial = Reader().seen()
    assert trial.assignment(request(user_id=NOBODY)) is None
    assert trial.away(None) is None
    assert trial.assignment(request(user_id=NOBODY, session_id="s")) is not None


def test_a_user_has_its_segments_if_the_header_names_features() -> None:
    reader = Reader()
    divided = f"{EXPERIMENT};segments=device"
    for header, told in ((EXPERIMENT, ()), (divided, (("device", "tv"),))):
        trial = reader(x_recommender_experiment=header)
        assert trial is not None
        found = trial.assignment(request(user_id=OURS[0], features={"device": "tv"}))
        assert found is not None
        assert found.segments == told


def test_a_header_that_does_not_parse_is_ignored_and_counted() -> None:
    reader = Reader()
    assert reader(x_recommender_experiment="id=1") is None
    assert reader(x_recommender_experiment="id=1") is None
    assert reader.ignored == 2
    assert reader() is None
    assert reader.seen()
    assert reader.ignored == 2


def test_the_header_of_a_new_phase_counts_at_once() -> None:
    reader = Reader()
    assert reader.seen().experiment.phase == 3
    later = reader(x_recommender_experiment=EXPERIMENT.replace("phase=3", "phase=4"))
    assert later is not None
    assert later.experiment.phase == 4


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("0", (0,)),
        ("0,2,63", (0, 2, 63)),
        ("2,0", ()),
        ("1,1", ()),
        ("64", ()),
        ("-1", ()),
        ("1,", ()),
        ("", ()),
    ],
)
def test_places_are_rising_numbers_or_none(text: str, places: tuple[int, ...]) -> None:
    trial = Reader().seen(x_recommender_forwarded=RECEIVER, x_recommender_places=text)
    assert trial.places == places


def test_the_digits_of_a_forwarded_request_are_read_and_nothing_else() -> None:
    digits = "0f" * 16
    told = {"x_recommender_forwarded": RECEIVER}
    assert Reader().seen(**told, x_recommender_call=digits).call == digits
    assert Reader().seen(x_recommender_call=digits).call is None  # a client's
    for bad in ("", digits[1:], digits + "0", digits.upper(), "shop/../" + digits[8:]):
        assert Reader().seen(**told, x_recommender_call=bad).call is None


@given(st.text(max_size=300))
def test_whatever_the_places_are_they_are_places(text: str) -> None:
    places = Reader().seen(x_recommender_forwarded="", x_recommender_places=text).places
    assert len(places) <= 64
    assert all(0 <= place < 64 for place in places)


def test_a_client_cannot_give_places() -> None:
    assert Reader().seen(x_recommender_places="3").places == ()
    assert set(HEADERS) == {"x-recommender-experiment"}


DIVIDED = f"{EXPERIMENT};segments=age,device"


def of_age(*edges: float) -> Features:
    """The features of a version with these bands."""
    return {
        "age": Feature("age", Place.USER, Kind.NUMERIC, edges=edges),
        "device": Feature("device", Place.CONTEXT, Kind.CATEGORICAL, {"phone": 0}),
    }


def segments(trial: Trial | None, **features: str | float) -> dict[str, str]:
    assert trial is not None
    assert trial.experiment.segments
    found = trial.assignment(request(user_id=THEIRS[0], features=features))
    assert found is not None
    return dict(found.segments)


def test_a_number_divides_the_users_by_the_bands_of_the_receiver_whichever_version_answers() -> (
    None
):
    receiver = Reader(RECEIVER, of_age(18.0, 25.0))(x_recommender_experiment=DIVIDED)
    assert segments(receiver, age=20.0, device="tv") == {"age": "18-24", "device": "tv"}
    assert receiver is not None
    candidate = Reader(CANDIDATE, of_age(21.0))
    found = candidate(
        x_recommender_experiment=DIVIDED,
        x_recommender_forwarded=RECEIVER,
        x_recommender_bands=header_of(receiver.bands),
    )
    assert segments(found, age=20.0) == {"age": "18-24", "device": "unknown"}
    assert candidate.ignored == 0


@pytest.mark.parametrize("header", [None, "", "age=25,18"])
def test_without_the_bands_of_the_receiver_a_number_is_unknown(header: str | None) -> None:
    of = Reader(CANDIDATE, of_age(18.0))
    given_ = {} if header is None else {"x_recommender_bands": header}
    found = of(x_recommender_experiment=DIVIDED, x_recommender_forwarded=RECEIVER, **given_)
    assert segments(found, age=20.0) == {"age": "unknown", "device": "unknown"}
    assert of.ignored == bool(header)


def test_a_client_cannot_set_bands() -> None:
    found = Reader(RECEIVER, of_age(18.0))(
        x_recommender_experiment=DIVIDED, x_recommender_bands="age=50"
    )
    assert segments(found, age=20.0)["age"] == "18+"


def test_the_next_phase_may_have_other_features() -> None:
    of = Reader(RECEIVER, of_age(18.0))
    assert segments(of(x_recommender_experiment=f"{EXPERIMENT};segments=device"), age=3.0) == {
        "device": "unknown"
    }
    assert segments(of(x_recommender_experiment=DIVIDED), age=3.0)["age"] == "<18"

"""What the header of an experiment says that is watched beside what users do."""

from __future__ import annotations

import base64

import orjson
import pytest

from recommender_serving.experiments.assignment import parse_experiment
from recommender_serving.experiments.guardrails import NO_GUARDRAILS, Guardrails, ItemGroup

HEADER = "id=0a1b2c3d;phase=3;cap=250;arms=movies-11111111:0-5000"


def coded(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def test_a_header_of_the_release_before_watches_nothing() -> None:
    assert parse_experiment(HEADER, "movies").guardrails == NO_GUARDRAILS == (None, None)


def test_a_header_says_what_is_slow_and_which_items_are_of_the_group() -> None:
    group = ItemGroup("genre", frozenset(("Film-Noir", "ä;%,")))
    both = f"{HEADER};requests=200;group=genre:{coded(['Film-Noir', 'ä;%,'])}"
    assert parse_experiment(both, "movies").guardrails == Guardrails(200, group)
    every = f"{HEADER};segments=device;withdrawn=movies-11111111;requests=60000"
    assert parse_experiment(every, "movies").guardrails == Guardrails(60_000, None)


@pytest.mark.parametrize(
    "end",
    [
        "requests=0", "requests=60001", "requests=-1", "requests=1.5", "requests=", "group=",
        "requests=\N{ARABIC-INDIC DIGIT ONE}", "group=genre", "group=genre:",
        "group=Genre:WyJhIl0",
        "group=genre:a", f"group=genre:{coded([])}", f"group=genre:{coded({'a': 1})}",
        f"group=genre:{coded([1])}", f"group=genre:{coded(['a'] * 21)}",
        f"group=genre:{coded(['a' * 1100])}", "group=genre:WyJhIl0;requests=200",
    ],
)  # fmt: skip
def test_any_other_is_no_header(end: str) -> None:
    with pytest.raises(ValueError, match=r"requests=|group=|it is not"):
        parse_experiment(f"{HEADER};{end}", "movies")

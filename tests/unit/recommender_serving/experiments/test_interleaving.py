"""What a version does about the header of an interleaving."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_serving.domain.types import NOBODY, SMOKE_USER, RecommendRequest
from recommender_serving.experiments.assignment import bucket
from recommender_serving.experiments.interleaving import (
    Interleaving,
    InterleavingHeaders,
    parse_interleaving,
)
from tests.interleaving_vectors import header, header_alone

OWN, CANDIDATE = "movies-00000000", "movies-11111111"
HEADER = header()
FOUND = Interleaving("0a1b2c3d", CANDIDATE, 1000)


class Reader:
    """Headers as a version reads them, and how many it ignored."""

    def __init__(self, version: str = OWN) -> None:
        self.ignored = 0
        self._read = InterleavingHeaders("movies", version, self._count)

    def _count(self) -> None:
        self.ignored += 1

    def __call__(self, **headers: str) -> Interleaving | None:
        return self._read.interleaving_of(
            {f"x-recommender-{name}": text for name, text in headers.items()}
        )


def request(user: int, **fields: object) -> RecommendRequest:
    return RecommendRequest(user, 881250949, 10, **fields)  # type: ignore[arg-type]


def test_a_header_is_read_as_it_is_written() -> None:
    assert Reader()(interleaving=HEADER) == FOUND
    assert Reader()(interleaving=header_alone()) == FOUND._replace(alone=True)


@pytest.mark.parametrize(
    "headers",
    [{}, {"interleaving": HEADER, "copy": OWN}, {"interleaving": HEADER, "forwarded": OWN}],
)
def test_no_version_is_asked_in_a_circle(headers: dict[str, str]) -> None:
    reader = Reader()
    assert reader(**headers) is None
    assert reader.ignored == 0


def test_a_candidate_does_not_ask_itself() -> None:
    assert Reader(CANDIDATE)(interleaving=HEADER) is None


@pytest.mark.parametrize(
    "text",
    [
        "", "id=0a1b2c3d", HEADER + ";", HEADER.replace("0a1b2c3d", "0A1B2C3D"),
        HEADER.replace("movies-1", "shop-1"), HEADER.replace("=1000", "=0"),
        HEADER.replace("=1000", "=10001"), HEADER.replace("=1000", "=-1"),
        HEADER.replace("=1000", "=\u0661"), f"{HEADER};alone=0", f"{HEADER};alone=1;",
    ],
)  # fmt: skip
def test_a_header_that_is_none_is_ignored_and_counted(text: str) -> None:
    reader = Reader()
    assert reader(interleaving=text) is None
    assert reader.ignored == 1


@given(st.text(max_size=80))
def test_any_text_is_an_interleaving_of_the_own_model_or_refused(text: str) -> None:
    try:
        found = parse_interleaving(text, "movies")
    except ValueError:
        return
    assert found.candidate.startswith("movies-")


@given(st.integers(0, 10**18 - 1))
def test_the_bucket_of_the_user_decides(user: int) -> None:
    assert FOUND.includes(request(user)) == (bucket("0a1b2c3d", str(user)) < 1000)


@pytest.mark.parametrize(
    "without",
    [
        request(NOBODY),
        request(NOBODY, session_id="s1"),
        request(NOBODY, user_text=SMOKE_USER),
        request(10**18),
    ],
)
def test_who_cannot_be_measured_gets_the_list_of_one_version(without: RecommendRequest) -> None:
    everybody = FOUND._replace(users=10_000)
    assert everybody.includes(request(7))
    assert not everybody.includes(without)

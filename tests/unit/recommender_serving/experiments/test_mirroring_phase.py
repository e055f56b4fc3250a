"""What a version does about the headers of a shadow phase."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.headers import SHARES as OF
from recommender_serving.experiments.mirroring_phase import (
    MirroringHeaders,
    MirroringPhase,
    parse_mirroring_phase,
)

OWN, CANDIDATE = "movies-00000000", "movies-11111111"
HEADER = f"{CANDIDATE}:2500"


class Reader:
    """Headers as a version reads them with a given draw, and how many it ignored."""

    def __init__(self, drawn: int = 0, version: str = OWN) -> None:
        self.ignored = 0
        self.shadows = MirroringHeaders("movies", version, self._count, lambda _: drawn)

    def _count(self) -> None:
        self.ignored += 1

    def __call__(self, **headers: str) -> str | None:
        named = {f"x-recommender-{name}": text for name, text in headers.items()}
        return self.shadows.drawn(named)


@given(st.integers(1, OF), st.integers(0, OF - 1))
def test_the_declared_share_of_the_draws_is_copied(share: int, drawn: int) -> None:
    wanted = CANDIDATE if drawn < share else None
    assert Reader(drawn)(shadow=f"{CANDIDATE}:{share}") == wanted


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"shadow": HEADER, "copy": OWN},
        {"shadow": HEADER, "copy": "anything"},
        {"shadow": HEADER, "forwarded": OWN},
    ],
)
def test_nothing_is_copied_twice_nor_without_the_header(headers: dict[str, str]) -> None:
    reader = Reader()
    assert reader(**headers) is None
    assert reader.ignored == 0


def test_a_candidate_that_gets_requests_of_users_sends_itself_no_copies() -> None:
    assert Reader(version=CANDIDATE)(shadow=HEADER) is None


@pytest.mark.parametrize(
    "text",
    [
        "", CANDIDATE, f"{CANDIDATE}:", f"{CANDIDATE}:0", f"{CANDIDATE}:10001", f"{CANDIDATE}:-1",
        f"{CANDIDATE}:1.5", "shop-11111111:100", "movies-1111111:100", "evil.example:100",
        f"{CANDIDATE}:100,{CANDIDATE}:100", f" {CANDIDATE}:100", f"{CANDIDATE}:\u0661",
    ],
)  # fmt: skip
def test_a_header_that_is_none_is_ignored_and_counted(text: str) -> None:
    reader = Reader()
    assert reader(shadow=text) is None
    assert reader.ignored == 1


@given(st.text(max_size=60))
def test_any_text_is_a_shadow_of_the_own_model_or_refused(text: str) -> None:
    try:
        found = parse_mirroring_phase(text, "movies")
    except ValueError:
        return
    assert found.version.startswith("movies-")
    assert 1 <= found.share <= OF


def test_a_header_is_read_as_it_is_written() -> None:
    assert parse_mirroring_phase(HEADER, "movies") == MirroringPhase(CANDIDATE, 2500)


@pytest.mark.parametrize(("by", "is_copy"), [(OWN, True), ("shop-00000000", False), ("x", False)])
def test_only_a_version_of_the_model_sends_copies(by: str, is_copy: bool) -> None:
    reader = Reader()
    assert reader.shadows.is_copy({"x-recommender-copy": by}) is is_copy
    assert not reader.shadows.is_copy({})

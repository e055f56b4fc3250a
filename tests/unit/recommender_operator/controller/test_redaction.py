"""Texts of pods are shown in part, and no part has a secret or a half of one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.controller import redaction


@given(st.text(max_size=6000))
def test_the_end_of_a_log_is_bounded(text: str) -> None:
    shown = redaction.tail(text)
    assert len(shown) <= redaction.SHOWN_LIMIT
    assert len(shown.splitlines()) <= redaction.LOG_LINES or not text.isprintable()


def test_a_cut_never_leaves_half_of_a_secret() -> None:
    text = "password=" + "s3cr3t" * 500
    assert "s3cr3t" not in redaction.tail(text)


def test_the_last_lines_are_kept() -> None:
    text = "\n".join(f"line {i}" for i in range(100))
    assert redaction.tail(text).splitlines() == [f"line {i}" for i in range(80, 100)]


LINES = [
    "password={}", "token: {}", "Authorization: Bearer {}", '"apiKey": "{}"',
    "password:\n{}", "secret =\n  '{}'", "postgres://u:{}@db/x", "password: bearer\n {}",
    "eyJhbGciOiJI.{}.c2ln",
]  # fmt: skip


@given(st.sampled_from(LINES), st.integers(0, 80), st.sampled_from([" ", "\n", "x\n", "x y\n"]))
def test_no_cut_of_a_log_shows_a_secret_or_a_half_of_one(line: str, shift: int, end: str) -> None:
    secret = "s3cr3tPart" * 6
    reported = line.format(secret)
    after = redaction.LOG_INPUT_LIMIT - len(reported) + shift - 1
    text = "x" * 50 + "\n" + reported + "\n" + end * (after // len(end)) + "x" * (after % len(end))
    assert "3cr3t" not in redaction.tail(text)
    cut_at_the_end = "line\n" * 2_000 + reported[: len(reported) - shift // 4]
    assert "3cr3t" not in redaction.tail(cut_at_the_end)


@given(st.sampled_from(LINES), st.integers(0, 80))
def test_no_cut_of_a_message_shows_a_secret_or_a_half_of_one(line: str, shift: int) -> None:
    reported = line.format("s3cr3tPart" * 6)
    text = "word " * ((redaction.MESSAGE_INPUT_LIMIT - shift) // 5) + " " + reported + " word"
    short = " " * (redaction.SHOWN_LIMIT - shift) + reported
    for shown in (redaction.head(text), redaction.head(short)):
        assert "3cr3t" not in shown
        assert len(shown) <= redaction.SHOWN_LIMIT


def test_a_text_without_any_border_is_not_shown_in_part() -> None:
    run = "A" * (redaction.LOG_INPUT_LIMIT + 1)
    assert redaction.head(run) == ""
    assert redaction.tail(run + "\n") == ""


def test_an_unchanged_message_is_cached() -> None:
    redaction._head.cache_clear()
    for _ in range(3):
        redaction.head("it ended: " + "x" * 3_000)
    assert redaction._head.cache_info().misses == 1

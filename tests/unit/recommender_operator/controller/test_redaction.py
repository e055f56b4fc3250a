"""Texts of pods: no secret is shown, and the cost is linear in the length."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.controller import redaction

SECRETS = [
    "password=hunter2 ok",
    "DB_PASSWORD: hunter2",
    '{"api_key": "hunter2", "n": 1}',
    "AWS_SECRET_ACCESS_KEY=hunter2",
    "Authorization: Bearer hunter2",
    "token = 'hunter2'",
    "postgres://user:hunter2@db:5432/x",
    "s3.secretKey=hunter2",
    "private-key: hunter2",
]


@pytest.mark.parametrize("line", SECRETS)
def test_a_secret_is_not_shown(line: str) -> None:
    shown = redaction.redacted(line)
    assert "hunter2" not in shown
    assert "[redacted]" in shown


def test_a_web_token_is_not_shown() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl"
    assert redaction.redacted(f"sent {token} to x") == "sent [redacted] to x"


@pytest.mark.parametrize(
    "line",
    [
        "epoch 3: loss 0.51",
        "UnknownColumns: the file has no column 'rating'",
        "kopf.credentials.LoginError: ran out",
        "http://example:8080/path",
        "tokens 1000",
    ],
)
def test_ordinary_lines_stay_as_they_are(line: str) -> None:
    assert redaction.redacted(line) == line


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


@pytest.mark.parametrize(
    "line",
    [
        '{"password": "hun ter2", "n": 1}',
        r"{\"password\": \"hunter2\", \"n\": 1}",
        'password="a\\"hunter2"',
        "://user:hunter2@db",
        "x-eyJhbGciOiJ.hunter2hunter2.c2ln",
    ],
)
def test_a_secret_in_quotes_or_in_quoted_json_is_not_shown(line: str) -> None:
    assert "hunter2" not in redaction.redacted(line)
    assert "ter2" not in redaction.redacted(line)


#: The plain form of the rules; its cost grows with the square of the text.
RULES = [
    re.compile(r"()(\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"),
    re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?)([^\r\n\"']+)"),
    re.compile(
        r"""(?ix)
        ([\w.-]* (?: password | passwd | secret | token | credentials?
                    | (?: api | access | private | secret ) [_-]? key )
            ["']? \s* [:=] \s* ["']? )
        ((?: bearer \s+ | basic \s+ )? [^\s"',;}]+ )
        """
    ),
    re.compile(r"([a-z][a-z0-9+.-]*://[^\s:/@]*:)([^\s@/]+)(?=@)"),
]


def plainly_redacted(text: str) -> str:
    for rule in RULES:
        text = rule.sub(lambda match: match[1] + "[redacted]", text)
    return text


PIECES = [
    "password", "PASSWD", "db.secret", "token", "credentials", "api_key", "accessKey",
    "Authorization", "bearer ", "Basic\t", "eyJhbGciOiJI", ".", "-", "_", ":", "=", "'", '"',
    "\\", " ", "\n", "\r\n", "\t", ",", ";", "}", "{", "://", "http", "@", "/", "é", "日本", "1",
    "[redacted]",
]  # fmt: skip
SECRET_WORDS = [f"hunter{n}hunter" for n in range(12)]
TEXTS = st.lists(st.sampled_from(PIECES + SECRET_WORDS), max_size=24).map("".join)


@given(TEXTS)
def test_nothing_that_the_plain_rules_hide_is_shown(text: str) -> None:
    plain, shown = plainly_redacted(text), redaction.redacted(text)
    for word in SECRET_WORDS:
        assert shown.count(word) <= plain.count(word)


@given(TEXTS)
def test_redaction_is_idempotent(text: str) -> None:
    once = redaction.redacted(text)
    assert redaction.redacted(once) == once


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


def test_a_name_that_only_begins_like_a_web_token_is_shown() -> None:
    for shown in ("eyJhbGciOiJIUzI1.v1.tar", "eyJhbGciOiJIUzI1.v1.tar.gz.part"):
        assert redaction.redacted(f"read {shown}") == f"read {shown}"

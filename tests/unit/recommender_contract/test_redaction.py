"""No secret of a text is shown, and the cost is linear in the length."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.redaction import redacted

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
    shown = redacted(line)
    assert "hunter2" not in shown
    assert "[redacted]" in shown


def test_a_web_token_is_not_shown() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl"
    assert redacted(f"sent {token} to x") == "sent [redacted] to x"


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
    assert redacted(line) == line


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
    assert "hunter2" not in redacted(line)
    assert "ter2" not in redacted(line)


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
    plain, shown = plainly_redacted(text), redacted(text)
    for word in SECRET_WORDS:
        assert shown.count(word) <= plain.count(word)


@given(TEXTS)
def test_redaction_is_idempotent(text: str) -> None:
    once = redacted(text)
    assert redacted(once) == once


def test_a_name_that_only_begins_like_a_web_token_is_shown() -> None:
    for shown in ("eyJhbGciOiJIUzI1.v1.tar", "eyJhbGciOiJIUzI1.v1.tar.gz.part"):
        assert redacted(f"read {shown}") == f"read {shown}"

"""A quarantined line is whole, can be read again, and is found by its user."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.writers import quarantine


@given(st.binary(max_size=3000).map(lambda text: text.replace(b"\n", b"")))
def test_no_byte_of_a_line_is_lost(line: bytes) -> None:
    row = quarantine.row_of(line, "why")
    assert b"\n" not in row
    assert orjson.loads(row)["reason"] == "why"
    if "\ufffd".encode() not in line:
        assert quarantine.line_of(row) == line


@pytest.mark.parametrize(
    "row",
    [b"", b"{", b"[]", b"{}", b'{"line":7}', b'{"base64":"*"}', '{"line":"a\ufffd"}'.encode()],
)
def test_a_row_without_a_whole_line_has_none(row: bytes) -> None:
    assert quarantine.line_of(row) is None


LATER = b'[1,"e","click","%s",["tea","ada"],7,null,null,null,null,null,"v","p",0,0,0,0,0,0,0,0,0]'


@pytest.mark.parametrize(
    ("line", "users", "found"),
    [
        (LATER % b"ada", ["ada"], True),
        (LATER % b"eve", ["ada"], False),
        (b'[2,"e","leap",7,[8],9,"more"]', [7], True),
        (b'[2,"e","leap",7,[8],9,"more"]', [8, 9], False),
        (b'[1,"erase",-1]', ["ada", 1], False),
        (b'{"who":{"is":["ada"]}}', ["ada"], True),
        (b'{"ada":1}', ["ada"], True),
        (b'{"who":"adam"}', ["ada"], False),
        (b"\xffada", ["ada"], True),
        (b"user 7 did", [7], True),
        (b"user 77 did", [7], False),
        (b'["zo\\u00eb"]', ["zo\u00eb"], True),
        (b"[" * 2000 + b'"ada"', ["ada"], True),
    ],
)
def test_a_line_is_of_a_user_by_its_fourth_value_or_by_any(
    line: bytes, users: list[int | str], found: bool
) -> None:
    assert quarantine.is_of(quarantine.row_of(line, "why"), users) is found


def test_a_row_of_an_earlier_release_that_was_shortened_is_found() -> None:
    row = orjson.dumps({"reason": "x", "line": '[1,"e","click","a\\"b",["tea'})
    assert quarantine.is_of(row, ['a"b'])
    assert not quarantine.is_of(row, ["ada"])

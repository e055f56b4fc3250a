"""The form of events in the log."""

from __future__ import annotations

import string

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.domain.events import (
    Erasure,
    Event,
    Explored,
    Exposure,
    Interleaved,
    Served,
)
from recommender_collector.domain.lines import (
    DIGEST_BYTES,
    Line,
    Lines,
    Unreadable,
    digest,
    entry_of,
    line_of,
)
from recommender_contract.events import Kind, Source

labels = st.text(string.printable[:94], min_size=1, max_size=20)
ids = st.one_of(st.integers(0, 10**18 - 1), labels)
contexts = st.dictionaries(
    labels,
    st.one_of(
        st.text(max_size=5),
        st.booleans(),
        st.floats(-1e9, 1e9),
        st.lists(st.text(max_size=5), max_size=2),
        st.lists(st.floats(-1e9, 1e9), max_size=2),
    ),
    max_size=3,
)


def _fitting(event: Event) -> Event:
    """Return an event whose parts fit its number of items."""
    if event.of_group is not None:
        event = event._replace(of_group=min(event.of_group, len(event.items)))
    mixed = event.interleaved
    if mixed is None:
        return event
    return event._replace(interleaved=mixed._replace(teams=mixed.teams[: len(event.items)]))


events = st.builds(
    Event,
    id=labels,
    kind=st.sampled_from(Kind),
    user=ids,
    items=st.lists(ids, max_size=3).map(tuple),
    time=st.integers(0, 4 * 10**12),
    value=st.none() | st.floats(-1e9, 1e9),
    request=st.none() | labels,
    session=st.none() | labels,
    query=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    context=st.none() | contexts,
    version=st.none() | labels,
    path=st.none() | st.sampled_from(Source),
    exposure=st.none()
    | st.builds(
        Exposure,
        st.from_regex("[0-9a-f]{8}", fullmatch=True),
        st.integers(0, 99),
        st.from_regex("[a-z0-9-]{1,80}", fullmatch=True),
        st.floats(1e-9, 1e12),
        st.dictionaries(
            st.from_regex("[a-z][a-z0-9_]{0,39}", fullmatch=True),
            st.text("aäz 日", min_size=1, max_size=64),
            max_size=3,
        ).map(lambda found: tuple(sorted(found.items()))),
    ),
    probabilities=st.none() | st.lists(st.floats(0, 1), max_size=3).map(tuple),
    explored=st.none()
    | st.builds(Explored, st.integers(0, 499), st.lists(ids, max_size=3).map(tuple)),
    holdout=st.none()
    | st.builds(
        Exposure,
        st.from_regex("[0-9a-f]{8}", fullmatch=True),
        st.just(0),
        st.sampled_from(["holdout", "others"]),
        st.floats(1e-9, 1e12),
        st.just(()),
    ),
    label_segments=st.none()
    | st.dictionaries(
        st.from_regex("[a-z][a-z0-9_]{0,39}", fullmatch=True),
        st.text("aäz 日", min_size=1, max_size=64),
        max_size=3,
    ).map(lambda found: tuple(sorted(found.items()))),
    interleaved=st.none()
    | st.builds(
        Interleaved,
        st.from_regex("[0-9a-f]{8}", fullmatch=True),
        st.from_regex("[a-z0-9-]{1,80}", fullmatch=True),
        st.from_regex("[AB-]{3}", fullmatch=True),
    ),
    served=st.none() | st.builds(Served, st.floats(0, 1e6), st.integers(1, 60_000), st.booleans()),
    of_group=st.none() | st.integers(0, 3),
    source=st.none() | st.from_regex("[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True),
    proven=st.none() | st.booleans(),
).map(_fitting)


@given(events)
def test_an_event_comes_back_from_the_log_as_it_was(event: Event) -> None:
    line = line_of(event)
    assert b"\n" not in line
    assert entry_of(line) == event


def test_a_line_of_an_earlier_release_is_read_and_written_for_an_earlier_writer() -> None:
    line = b'[1,"a","click","u",["i"],7,null,"r","s",null,null]'
    event = Event("a", Kind.CLICK, "u", ("i",), 7, None, "r", "s")
    assert entry_of(line) == event
    assert line_of(event) == line
    assert entry_of(line_of(event._replace(version="v"))) == event._replace(version="v")
    assert len(orjson.loads(line_of(event._replace(version="v")))) == 13


def test_a_line_of_the_release_before_is_read() -> None:
    line = (
        b'[1,"e","impression","ada",["tea"],7,null,"r","s",null,null,"shop-1","model",'
        b'["0a1b2c3d",1,"shop-a",9.5],[0.25]]'
    )
    event = Event("e", Kind.IMPRESSION, "ada", ("tea",), 7, None, "r", "s", None, None, "shop-1")
    exposure = Exposure("0a1b2c3d", 1, "shop-a", 9.5)
    event = event._replace(path=Source.MODEL, exposure=exposure, probabilities=(0.25,))
    assert entry_of(line) == event
    assert line_of(event) == line


@given(ids)
def test_an_erasure_comes_back_from_the_log_as_it_was(user: int | str) -> None:
    assert entry_of(line_of(Erasure(user))) == Erasure(user)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"[2]",
        b'[1,"erase",[]]',
        b'[1,"a","click","u",["i"]]',
        b'[1,"a","clack","u",["i"],1,null,null,null,null,null]',
        b'[1,"a",["click"],"u",["i"],1,null,null,null,null,null]',
        b'[1,"a","click",null,["i"],1,null,null,null,null,null]',
        b'[1,"a","click","u","i",1,null,null,null,null,null]',
        b'[1,"a","click","u",["i"],"now",null,null,null,null,null]',
        b'[1,"a","click","u",["i"],1,null,null,null,null,null,"v","model",null]',
        b'[1,"a","click","u",["i"],1,null,null,null,null,null,"v","model",["0a1b2c3d",1,2,3]]',
        b'[1,"a","click","u",["i"],1,null,null,null,null,null,"v","model",["0a1b2c3d",1,"a"]]',
    ],
)
def test_a_line_of_another_format_is_unreadable(line: bytes) -> None:
    with pytest.raises(Unreadable):
        entry_of(line)


@pytest.mark.parametrize("teams", ["", "A", "ABA", "AX"])
def test_a_line_whose_interleaving_has_not_a_letter_for_each_item_is_unreadable(
    teams: str,
) -> None:
    """Else the writer would fail at the first click, each time that it reads the line."""
    mixed = Interleaved("0a1b2c3d", "shop-b", "AB")
    event = Event("a", Kind.IMPRESSION, "u", ("i", "j"), 1, interleaved=mixed)
    line = line_of(event)
    assert entry_of(line) == event
    with pytest.raises(Unreadable, match="a letter for each item"):
        entry_of(line.replace(b'"AB"', f'"{teams}"'.encode()))


@pytest.mark.parametrize(
    "part",
    [
        ("0A1B2C3D", 1, "shop-a", 9),
        ("0a1b2c3d", -1, "shop-a", 9),
        ("0a1b2c3d", 100, "shop-a", 9),
        ("0a1b2c3d", 1, " ", 9),
        ("0a1b2c3d", 1, "shop-a ", 9),
        ("0a1b2c3d", 1, "", 9),
        ("0a1b2c3d", 1, "shop-a", 1e300),
        ("0a1b2c3d", 1, "shop-a", 0),
    ],
)
def test_a_line_with_what_no_impression_may_say_is_unreadable(
    part: tuple[str, int, str, float],
) -> None:
    event = Event("e", Kind.IMPRESSION, "ada", ("tea",), 1, exposure=Exposure(*part))
    with pytest.raises(Unreadable):
        entry_of(line_of(event))


@pytest.mark.parametrize("wrong", [2.0, "1", None, True])
def test_a_line_with_what_is_no_probability_is_unreadable(wrong: object) -> None:
    event = Event("e", Kind.IMPRESSION, "ada", ("tea",), 1, probabilities=(wrong,))  # type: ignore[arg-type]
    with pytest.raises(Unreadable, match="probabilities"):
        entry_of(line_of(event))


@pytest.mark.parametrize("wrong", [None, {}, [], [0], ["0", ["tea"]], [0, "tea"], [0, [None]]])
def test_a_line_with_what_is_no_exploration_is_unreadable(wrong: object) -> None:
    row = [1, "e", "impression", "ada", ["tea"], *[1, None, None, None, None, None]]
    with pytest.raises(Unreadable):
        entry_of(orjson.dumps([*row, "shop-1", "model", None, None, wrong]))


@pytest.mark.parametrize(
    ("place", "wrong"),
    [(1, 7), (4, [None]), (4, [["tea"]]), (5, -1), (5, 10**17), (6, "4"), (6, True), (6, [1])]
    + [(place, 1) for place in (7, 8, 9, 10, 11, 12)]
    + [(10, {"page": None}), (10, {"page": [None]}), (10, {"page": [[1]]})],
)
def test_an_event_of_another_program_with_wrong_fields_is_unreadable(
    place: int, wrong: object
) -> None:
    row = [1, "e", "click", "ada", ["tea"], 1, 4.5, "r", "s", "q", {"page": 1}, "shop-1", "model"]
    assert entry_of(orjson.dumps(row))
    row[place] = wrong
    with pytest.raises(Unreadable):
        entry_of(orjson.dumps(row))


def test_a_writer_of_a_release_before_reads_what_has_no_later_fields() -> None:
    event = Event("e", Kind.IMPRESSION, "ada", ("tea",), 1, version="shop-1", path="model")
    exposure = Exposure("0a1b2c3d", 1, "shop-a", 9)
    lengths = [
        len(orjson.loads(line_of(each)))
        for each in (
            event._replace(version=None, path=None),
            event,
            event._replace(exposure=exposure),
            event._replace(probabilities=(0.5,)),
            event._replace(explored=Explored(0, ("tea", "cup"))),
        )
    ]
    assert lengths == [11, 13, 14, 15, 16]


def test_a_digest_has_a_fixed_length_and_differs_by_id() -> None:
    found = {digest(str(number)) for number in range(1000)}
    assert len(found) == 1000
    assert {len(each) for each in found} == {DIGEST_BYTES}


def test_lines_of_requests_are_put_together_in_their_order_and_taken_apart_again() -> None:
    each = [Line(digest(f"e{number}"), b"[%d]" % number) for number in range(5)]
    parts = [Lines.of(each[:2]), Lines.of(each[2:3]), Lines.of(each[3:])]
    joined = Lines.joined(parts)
    assert joined == Lines.of(each)
    assert (len(joined), list(joined)) == (5, each)
    assert Lines.joined(parts[:1]) is parts[0]

"""Whatever a line of the log has, it becomes an event or goes to the quarantine whole."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from recommender_collector.domain import erasure_list, file_rows, store_updates
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.lines import Unreadable, entry_of, line_of
from recommender_collector.domain.popularity_trends import PopularityTrends
from recommender_collector.writers import quarantine
from recommender_contract.events import Kind
from tests.unit.recommender_collector.collector_samples import mapping, model
from tests.unit.recommender_collector.lake_desk import CLICK, Desk

MODEL = model(
    mapping(
        eventTypes=[{"type": kind.value, "value": 1} for kind in Kind if kind is not Kind.DWELL]
        + [{"type": "dwell"}],
    )
)
#: Each later field, as the collector writes it.
WHOLE: list[Any] = [
    1, "e", "impression", "ada", ["tea"], 1_795_000_000_000, 4.5, "r", "s", "q", {"page": 1},
    "shop-1", "model", ["0a1b2c3d", 1, "shop-a", 9, [["device", "app"]]], [0.5], [0, ["tea"]],
    ["0a1b2c3d", 1, "holdout", 9], [["device", "app"]], ["0a1b2c3d", "shop-b", "A"],
    [3.5, 100, False], 1,
]  # fmt: skip
numbers = st.sampled_from([0, -1, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 253_402_300_799_999, 10**15])
scalars = st.one_of(
    st.none(), st.booleans(), numbers, st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5),
    st.sampled_from(["\x00", "", "click", "dwell", "search", "erase", "ada", "x" * 5000]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
NASTY = [
    b'[1,"erase",-1]', b'[1,"erase",true]', b'[1,"erase",18446744073709551615]',
    b"[" * 100_000, b"[" * 1000 + b"]" * 1000, b'[1,"erase",' + b"9" * 5000 + b"]",
    b'[1,"a","click",-5,["i"],1,null,null,null,null,null]',
    b'[1,"a","click",9223372036854775808,["i"],1,null,null,null,null,null]',
    b'[1,"a","click","u",[18446744073709551615,true,-1],1,null,null,null,null,null]',
    b'[1,"a","click","u",["i"],true,null,null,null,null,null]',
    b'[1,"a","click","u",["i"],1,1e400,null,null,null,null]',
    b'[1,"a","click","\\ud800",["i"],1,null,null,null,null,null]',
    b'[2,"a","leap","u",["i"],1,{"later":true}]', b"\xff\xfe", b"", b"null", b"NaN",
]  # fmt: skip


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A whole line in which some fields are something else, cut or lengthened anywhere."""
    row = [*WHOLE]
    for place in draw(st.sets(st.integers(0, len(row) - 1), max_size=3)):
        row[place] = draw(values)
    row = row[: draw(st.integers(1, len(row)))] + draw(st.lists(values, max_size=2))
    return orjson.dumps(row)


lines = st.one_of(
    changed(), st.sampled_from(NASTY), values.map(orjson.dumps), st.binary(max_size=60),
    values.map(lambda user: orjson.dumps([1, "erase", user])),
).map(lambda line: line.replace(b"\n", b" "))  # fmt: skip


def _used(entry: Event | Erasure) -> None:
    """All that the writers make of an entry."""
    if isinstance(entry, Erasure):
        erasure_list.line_of(entry.user, 1)
        return
    assert entry_of(line_of(entry)) == entry
    found = [*store_updates.store_updates(entry, MODEL.acts)]
    assert all(0 <= each.user < 2**63 for each in found)
    PopularityTrends(MODEL).gains([entry])
    file_rows.archive_line(entry)
    file_rows.interaction_rows(entry, MODEL)


@given(lines)
def test_a_line_that_is_read_can_be_used_and_another_is_unreadable(line: bytes) -> None:
    entry = _entry(line)
    if entry is not None:
        _used(entry)


@given(st.lists(lines, min_size=1, max_size=4))
@example(NASTY)
async def test_the_writer_of_files_goes_on_and_keeps_each_line_whole(found: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder) / "shop")
        desk.log.put("shop", *found, line_of(CLICK._replace(id="last", user="last")))
        writer = desk.writer(events=1)
        await writer.step()
        (batch,) = desk.folders()
        assert desk.read(batch, "events")[-1]["id"] == "last"
        kept = [quarantine.line_of(orjson.dumps(row)) for row in desk.read(batch, "quarantine")]
        erased = any(isinstance(_entry(line), Erasure) for line in found)
        assert erased or kept == [line for line in found if _entry(line) is None]


def _entry(line: bytes) -> Event | Erasure | None:
    try:
        return entry_of(line)
    except Unreadable:
        return None

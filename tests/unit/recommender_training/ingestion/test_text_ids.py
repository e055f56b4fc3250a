"""Text ids: hashed as in the contract, kept byte for byte, without collisions."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract import ids
from recommender_contract.resource.mapping import PartitionBy
from recommender_training.ingestion import convert
from recommender_training.ingestion.mapping import Interactions, Items, Users
from recommender_training.ingestion.text_ids import TextIds
from tests.mapped_files import NOW, START

ROUND = ["a,b", '"quoted"', "naïve-ß", "nai\u0308ve-ß", "日本", "  spaced  ", "spaced", "7", "7.0"]
EVENTS = Interactions.model_validate(
    {"files": "*", "user": "u", "item": "i", "timestamp": "t",
     "value": "v"}
)  # fmt: skip
NOBODY = pl.DataFrame(schema={"user_id": pl.Int64, "segment": pl.String})
TABLE = Users(files="*", id="id")


def frame(**columns: Sequence[str | None]) -> pl.DataFrame:
    texts = {f"raw_{name}": pl.Series(each, dtype=pl.String) for name, each in columns.items()}
    rows = len(next(iter(columns.values())))
    facts = {
        "line": list(range(1, rows + 1)),
        "row": [""] * rows,
        "reason": pl.Series([None] * rows, dtype=pl.String),
    }
    return pl.DataFrame(facts | texts)


def few_bits(monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    """Limit the number of hashes, so that collisions are frequent."""
    real = ids.hashed
    monkeypatch.setattr(ids, "hashed", lambda text: real(text) % 2**bits)


@given(st.lists(st.text(max_size=90), min_size=1, max_size=30))
def test_any_text_is_an_id_or_a_reason_and_the_id_finds_the_text_again(texts: list[str]) -> None:
    known = TextIds("Item")
    good, bad = convert.items(frame(id=texts), Items(files="*", id="id"), known)
    assert good.height + bad.height == len(texts)
    table = dict(known.new().iter_rows())
    taken = [text for text in texts if ids.fault(text) is None]
    assert [table[number] for number in good["item_id"]] == taken
    assert set(table.values()) == set(taken)
    assert len(table) == len(set(taken))
    assert all(ids.hashed(text) == number for number, text in table.items())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "EmptyUserId"),
        ("", "EmptyUserId"),
        ("x" * 257, "UserIdTooLong"),
        ("é" * 129, "UserIdTooLong"),
        ("a\nb", "ControlInUserId"),
        ("\x00", "ControlInUserId"),
        ("a\x7f", "ControlInUserId"),
        ("a\x85", "ControlInUserId"),
    ],
)
def test_an_invalid_id_has_a_reason(text: str | None, reason: str) -> None:
    good, bad = convert.users(frame(id=[text, "fine"]), TABLE, TextIds("User"))
    assert bad["reason"].to_list() == [reason]
    assert good["user_id"].to_list() == [ids.hashed("fine")]


def test_ids_are_kept_byte_for_byte_and_the_longest_is_accepted() -> None:
    texts = [*ROUND, "é" * 128, "\u2028", "\ufeffx"]
    known = TextIds("User")
    good, bad = convert.users(frame(id=texts, segment=[" F "] * len(texts)), TABLE, known)
    assert bad.height == 0
    assert good["user_id"].to_list() == [ids.hashed(text) for text in texts]
    assert good["segment"].unique().to_list() == ["F"]
    assert known.new().height == len(set(texts))


def test_users_and_items_can_have_different_kinds_of_ids() -> None:
    rows = frame(
        user=["u-1", "u-2"], item=[" 7 ", "seven"], timestamp=[str(START)] * 2, value=["5"] * 2
    )
    known = TextIds("User")
    good, bad = convert.interactions(rows, EVENTS, PartitionBy.DAY, NOBODY, NOW, known)
    assert good.select("user_id", "item_id").rows() == [(ids.hashed("u-1"), 7)]
    assert bad["reason"].to_list() == ["BadItemId"]
    assert known.new()["text"].to_list() == ["u-1"]  # quarantined rows add no text


def test_an_id_is_new_once() -> None:
    lake = pl.LazyFrame({"id": [ids.hashed("old")], "text": ["old"]})
    known = TextIds("User", lake)
    for texts in (["old", "new"], ["new", "old"], ["newer", "new", "newer"]):
        _, bad = convert.users(frame(id=texts), TABLE, known)
        assert bad.height == 0
    assert sorted(known.new()["text"]) == ["new", "newer"]


def test_two_texts_with_the_same_hash_never_share_an_id(monkeypatch: pytest.MonkeyPatch) -> None:
    few_bits(monkeypatch, 0)
    lake = pl.LazyFrame({"id": [0], "text": ["old"]})
    for known, texts, owner in (
        (TextIds("User"), ["first", "second", "first"], "first"),
        (TextIds("User", lake), ["first", "old"], "old"),
    ):
        good, bad = convert.users(frame(id=texts), TABLE, known)
        assert good.height == texts.count(owner)
        assert set(bad["reason"]) == {"UserIdCollision"}
        good, bad = convert.users(frame(id=["third", owner]), TABLE, known)
        assert (good["_line"].to_list(), bad["line"].to_list()) == ([2], [1])


@given(batches=st.lists(st.lists(st.text("abc", min_size=1, max_size=3), max_size=9), max_size=6))
def test_with_few_hashes_each_id_stands_for_one_text_in_all_batches(
    batches: list[list[str]],
) -> None:
    known, owner = TextIds("Item"), dict[int, str]()
    with pytest.MonkeyPatch.context() as patch:
        few_bits(patch, 3)
        for texts in filter(None, batches):
            good, bad = convert.items(frame(id=texts), Items(files="*", id="id"), known)
            for text in texts:
                owner.setdefault(ids.hashed(text), text)
            fine = [text for text in texts if owner[ids.hashed(text)] == text]
            assert [owner[number] for number in good["item_id"]] == fine
            assert set(bad["reason"]) <= {"ItemIdCollision"}
            assert good.height + bad.height == len(texts)
    assert dict(known.new().iter_rows()) == owner

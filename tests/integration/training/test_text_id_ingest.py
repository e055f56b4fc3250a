"""Events with text ids are ingested by the hashes of the texts, in every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

from recommender_contract import ids
from recommender_contract.ids import hashed
from recommender_contract.resource.mapping import Format
from recommender_examples import synthetic
from recommender_training.common.errors import InputError
from recommender_training.data import compaction, lake, schema
from recommender_training.ingestion import id_table, ingest
from tests.mapped_files import (
    EXTENSIONS,
    START,
    check,
    declare,
    event,
    reasons,
    table,
    write,
)

AGE = {"name": "age", "kind": "Numeric", "edges": [25, 35], "fairness": True}
BOTH = {"user": "Text", "item": "Text"}
TEXTS = ["a,b", '"quoted"', "naïve-ß", "日本", "  spaced  ", "7", "'", "\u2028", "\\"]
EVENTS = [event(text, TEXTS[-1 - at], START + at) for at, text in enumerate(TEXTS)]


def texts(path: Path) -> pl.DataFrame:
    return lake.scan(path, "ids", schema.IDS_SCHEMA).collect().sort("kind", "text")


def refusal(source: Path, path: Path, **sections: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        check(source, path, declare(**sections))
    return caught.value


@pytest.mark.parametrize("kind", list(EXTENSIONS))
def test_texts_are_kept_byte_for_byte_and_hashed_in_the_tables(
    tmp_path: Path, kind: Format
) -> None:
    source, path, end = tmp_path / "raw", tmp_path / "lake", EXTENSIONS[kind]
    write(source / f"events/a.{end}", EVENTS)
    write(source / f"people.{end}", [{"id": text, "age": 30} for text in TEXTS[:4]])
    write(source / f"things.{end}", [{"id": TEXTS[4], "name": " A "}])
    mapping = declare(
        kind,
        ids=BOTH,
        users={"files": f"people.{end}", "id": "id", "features": [AGE]},
        items={"files": f"things.{end}", "id": "id", "title": "name"},
    )
    result = check(source, path, mapping, kind, share=0.0)
    assert (result.rows, result.new_rows) == (len(TEXTS), len(TEXTS))
    events = lake.sort("interactions", table(path, "interactions"))
    numbers = [(hashed(row["user"]), hashed(row["item"])) for row in EVENTS]
    assert events.select("user_id", "item_id").rows() == numbers
    assert events["segment"].to_list() == ["25-34"] * 4 + ["unknown"] * 5
    titles = table(path, "items").drop_nulls("title")
    assert titles.select("item_id", "title").rows() == [(hashed("  spaced  "), "A")]
    for of in ("user", "item"):
        held = texts(path).filter(pl.col("kind") == of)
        assert sorted(held["text"]) == sorted(TEXTS)
        assert [hashed(text) for text in held["text"]] == held["id"].to_list()
    assert DeltaTable(str(path / "ids")).metadata().partition_columns == ["kind"]


def test_all_formats_give_one_data_version(tmp_path: Path) -> None:
    versions = set()
    for kind, end in EXTENSIONS.items():
        write(tmp_path / end / f"events/a.{end}", EVENTS)
        result = check(tmp_path / end, tmp_path / f"{end}-lake", declare(kind, ids=BOTH), kind)
        versions.add(result.data_version)
    assert len(versions) == 1


def test_a_later_check_adds_only_new_texts(tmp_path: Path) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    write(source / "events/a.csv", EVENTS)
    first = check(source, path, declare(ids=BOTH))
    again = check(source, path, declare(ids=BOTH))
    assert again.data_version == first.data_version
    assert DeltaTable(str(path / "ids")).version() == 1  # a commit each for users and items
    write(source / "events/b.csv", [event("new", TEXTS[0], START), *EVENTS])
    later = check(source, path, declare(ids=BOTH))
    assert (later.new_rows, later.quarantined_rows) == (1, 0)
    assert texts(path).height == 2 * len(TEXTS) + 1
    assert DeltaTable(str(path / "ids")).version() == 2


def test_bad_texts_are_quarantined_with_their_reason(tmp_path: Path) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    bad = ["", "x" * 257, "two\nlines", "\udcff"]
    rows = [event(text, "i", START) for text in bad] + [event("u", text, START) for text in bad]
    lines = ["user,item,at,rating"]
    lines += [f'"{row["user"]}","{row["item"]}",{row["at"]},5' for row in [*rows, *EVENTS[2:3]]]
    (source / "events").mkdir(parents=True)
    text = "\n".join(lines)
    (source / "events/a.csv").write_bytes(text.encode(errors="surrogateescape"))
    result = check(source, path, declare(ids=BOTH))
    assert (result.rows, result.quarantined_rows) == (1, 8)
    assert reasons(path) == {
        "NotUtf8": 2,
        **dict.fromkeys(("EmptyUserId", "UserIdTooLong", "ControlInUserId"), 1),
        **dict.fromkeys(("EmptyItemId", "ItemIdTooLong", "ControlInItemId"), 1),
    }
    assert sorted(texts(path)["text"]) == sorted([EVENTS[2]["user"], EVENTS[2]["item"]])


def test_a_collision_is_quarantined_in_this_check_and_in_later_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ids, "hashed", lambda text: int(text.startswith("x")))
    source, path = tmp_path / "raw", tmp_path / "lake"
    write(source / "events/a.csv", [event("u", "x1", START), event("u", "x2", START + 1)])
    first = check(source, path, declare(ids=BOTH))
    assert (first.rows, first.quarantined_rows) == (1, 1)
    write(source / "events/b.csv", [event("u", "x3", START + 2), event("u", "x1", START + 3)])
    with pytest.raises(InputError, match="the same 63-bit hash: give that item another id"):
        check(source, path, declare(ids=BOTH), share=0.1)
    later = check(source, path, declare(ids=BOTH))
    assert (later.rows, later.quarantined_rows) == (2, 2)
    assert reasons(path) == {"ItemIdCollision": 2}
    assert texts(path).rows() == [("item", 1, "x1"), ("user", 0, "u")]


def test_a_failed_check_adds_no_text(tmp_path: Path) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    write(source / "events/a.csv", [*EVENTS, event("", "i", START)])
    with pytest.raises(InputError, match="EmptyUserId 1"):
        check(source, path, declare(ids=BOTH), share=0.0)
    assert texts(path).height == 0


def test_a_check_killed_after_writing_texts_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    write(source / "events/a.csv", EVENTS)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lake, "merge", killed)
        with pytest.raises(KeyboardInterrupt):
            check(source, path, declare(ids=BOTH))
    assert texts(path).height == 2 * len(TEXTS)  # no table ever names an id without its text
    assert check(source, path, declare(ids=BOTH)).rows == len(TEXTS)
    assert texts(path).height == 2 * len(TEXTS)


def test_a_lake_holds_one_kind_of_ids(tmp_path: Path) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    write(source / "events/a.csv", [event(1, 2, START)])
    check(source, path, declare())
    error = refusal(source, path, ids={"item": "Text"})
    assert error.reason == "InvalidMapping"
    assert "ids.item of the mapping is Text" in error.message
    assert "set ids.item to Integer, or rename the model" in error.message
    other = tmp_path / "other"
    check(source, other, declare(ids=BOTH))
    error = refusal(source, other)
    assert "ids.user of the mapping is Integer" in error.message
    synthetic.generate(tmp_path / "ml", synthetic.Size(20, 10, 100), seed=1)
    with pytest.raises(InputError, match="have ids of kind Text"):
        ingest.ingest_and_check(tmp_path / "ml", other, kind=Format.MOVIELENS_100K)


def test_declaring_integer_ids_reads_no_file_again(tmp_path: Path) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    write(source / "events/a.csv", [event(1, 2, START)])
    first = check(source, path, declare())
    report = check(source, path, declare(ids={"user": "Integer", "item": "Integer"}))
    assert (report.data_version, report.new_rows) == (first.data_version, 0)
    assert not (path / "ids").exists()


def test_texts_outlive_a_compaction(tmp_path: Path) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    for part in range(3):
        write(source / f"events/{part}.csv", EVENTS[part::3])
        check(source, path, declare(ids=BOTH))
    compaction.compact(path, keep=(), max_files=1, retention_hours=24)
    assert sorted(texts(path).filter(pl.col("kind") == "user")["text"]) == sorted(TEXTS)
    compaction.compact(path, keep=(), max_files=1, retention_hours=24)
    check(source, path, declare(ids=BOTH))


def test_a_lake_without_its_texts_is_refused(tmp_path: Path) -> None:
    from recommender_training.data.load import load_dataset

    source, path = tmp_path / "raw", tmp_path / "lake"
    write(source / "events/a.csv", EVENTS)
    version = check(source, path, declare(ids=BOTH)).data_version
    _, data = load_dataset(path, version, None)
    named = id_table.id_texts(path, data)
    assert named.items is not None
    assert [hashed(text) for text in named.items] == data.items.ids.tolist()
    lost = texts(path).filter(pl.col("text") != "日本")
    lake.overwrite(path, "ids", lost)
    with pytest.raises(InputError, match="lacks texts of ids"):
        id_table.id_texts(path, data)
    (path / "ids").rename(tmp_path / "gone")
    with pytest.raises(InputError, match=r"the text of the .* is missing"):
        id_table.id_texts(path, data)

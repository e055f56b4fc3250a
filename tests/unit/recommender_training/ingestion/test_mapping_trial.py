"""`init` proves its proposal with the reader of a check: logs of usual forms pass whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recommender_contract.resource.mapping import Format
from recommender_training.cli import main
from recommender_training.ingestion import file_preview, ingest, mapping_trial
from recommender_training.ingestion.mapping import Mapping
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests.mapped_files import NOW, START, write
from tests.unit.recommender_training.ingestion.test_propose import proposed

TYPES = ("view", "view", "view", "cart", "purchase")


def rees46(n: int) -> dict[str, Any]:
    item = n % 7
    return {"event_time": f"2026-01-{n % 28 + 1:02} 00:08:{n % 60:02} UTC",
            "event_type": TYPES[n % 5], "product_id": 1_003_461 + item,
            "category_code": f"electronics.{item % 3}" if item % 3 else "",
            "brand": f"brand {item % 4}", "price": 10.5 + item, "user_id": 520_088_904 + n % 11,
            "user_session": f"4d3b30da-a5e4-49df-b1a8-{n % 20:012}"}  # fmt: skip


def retailrocket(n: int) -> dict[str, Any]:
    event = ("view", "view", "addtocart", "transaction")[n % 4]
    return {"timestamp": (START + n) * 1000 + 123, "visitorid": n % 11, "event": event,
            "itemid": n % 7, "transactionid": n if event == "transaction" else ""}  # fmt: skip


def ga4(n: int) -> dict[str, Any]:
    return {"event_date": "20260101", "event_timestamp": (START + n) * 1_000_000 + 7,
            "event_name": ("view_item", "select_item", "purchase")[n % 3],
            "user_pseudo_id": f"{n % 11}.160{n % 11}", "ga_session_id": n % 20,
            "item_id": f"GGOE{n % 7}", "item_name": f"Mug {n % 7}",
            "item_category": f"Drinkware {n % 7 % 3}", "price": 9.0 + n % 7,
            "device": ("mobile", "desktop")[n % 13 % 2]}  # fmt: skip


def ratings(n: int) -> dict[str, Any]:
    return {"userId": n % 11, "movieId": n % 7, "rating": n % 10 / 2 + 0.5, "timestamp": START + n}


def clicked(n: int) -> dict[str, Any]:
    page = n // 5
    return {"user_id": page % 11, "item_id": n % 5 + 9 * (page % 4), "time": START + page,
            "position": (n + page) % 5,
            "clicked": int(page % 2 == 0 and n % 5 == page % 5)}  # fmt: skip


LOGS = {"REES46": rees46, "RetailRocket": retailrocket, "GA4": ga4, "ratings": ratings,
        "clicks of lists": clicked}  # fmt: skip


def proof(source: Path) -> dict[str, mapping_trial.TrialResult]:
    found = proposed(source)
    mapping = Mapping.model_validate(found.mapping)
    return {
        each.table: each for each in mapping_trial.try_mapping(source, mapping, found.kind, NOW)
    }


@pytest.mark.parametrize("row", LOGS.values(), ids=LOGS.keys())
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_check_of_a_log_of_a_usual_form_quarantines_no_row_of_what_is_proposed(
    tmp_path: Path, row: Callable[[int], dict[str, Any]], kind: str
) -> None:
    rows = [row(n) for n in range(200)]
    if kind == "parquet":
        rows = [{name: value if value != "" else None for name, value in each.items()}
                for each in rows]  # fmt: skip
    write(tmp_path / f"raw/log.{kind}", rows)
    for each in proof(tmp_path / "raw").values():
        assert (each.rows, each.passed, each.reasons) == (200, 200, {})
    found = proposed(tmp_path / "raw")
    mapping = parse_mapping(json.dumps(found.mapping), found.kind)
    result = ingest.ingest_and_check(
        tmp_path / "raw", tmp_path / "lake", kind=found.kind, mapping=mapping
    )
    assert (result.rows, result.quarantined_rows) == (200, 0)


def test_rows_that_fail_are_counted_by_reason_with_the_first_one_and_what_to_change(
    tmp_path: Path,
) -> None:
    rows: list[dict[str, Any]] = [ratings(n) for n in range(40)]
    rows[30] |= {"movieId": "m7"}
    rows[31] |= {"movieId": "m8"}
    rows[33] |= {"timestamp": "soon"}
    rows.append(rows[3])
    write(tmp_path / "raw/log.csv", rows)
    mapping = Mapping.model_validate(
        {"interactions": {"files": "log.csv", "user": "userId", "item": "movieId",
                          "timestamp": "timestamp", "value": "rating", "lowest": 0.5}}
    )  # fmt: skip
    (found,) = mapping_trial.try_mapping(tmp_path / "raw", mapping, Format.CSV, NOW)
    assert (found.rows, found.passed) == (41, 37)
    assert found.reasons == {"BadItemId": 2, "BadTimestamp": 1, "DuplicateEvent": 1}
    head, *lines = found.lines()
    assert head == "interactions: 37 of 41 rows pass (1 of 1 files read)"
    assert lines[0].startswith("  BadItemId 2, first: log.csv line 32 '8,m7,")
    assert "set ids.item of the mapping to Text" in lines[0]
    assert "export one row per event" in lines[2]


def test_a_file_of_another_form_is_named_although_its_rows_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "raw/log/1.csv", [ratings(n) for n in range(9)])
    write(tmp_path / "raw/log/2.csv", [{"userId": 1, "film": 2}])
    found = proof(tmp_path / "raw")["interactions"]
    assert (found.rows, found.passed, found.of_files) == (9, 9, 2)
    assert not found.fits
    (_, line) = found.lines()
    assert line.startswith("  UnknownColumns: ")
    assert "2.csv" in line


def test_of_many_files_some_from_the_first_to_the_last_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping_trial, "MAX_FILES", 3)
    monkeypatch.setattr(mapping_trial, "ROWS", 6)
    for day in range(7):
        write(tmp_path / f"raw/log/{day}.csv", [ratings(n) for n in range(9)])
    write(tmp_path / "raw/log/6.csv", [{**ratings(1), "timestamp": "soon"}])
    found = proof(tmp_path / "raw")["interactions"]
    assert (found.files, found.of_files, found.rows, found.passed) == (3, 7, 5, 4)
    assert found.first["BadTimestamp"].startswith("log/6.csv line 2")


def test_a_feature_by_which_too_many_rows_fail_is_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_preview, "ROWS", 100)
    rows = [
        {**ratings(n), "place": f"{n % 3}" if n < 100 else "first row", "page": n % 3}
        for n in range(300)
    ]
    write(tmp_path / "raw/log.csv", rows)
    assert main.main(["init", str(tmp_path / "raw"), "--output", str(tmp_path / "m.json")]) == 0
    shown = capsys.readouterr().out
    assert "interactions: 300 of 300 rows pass" in shown
    assert "interactions: place is left out, as 200 of 300 rows fail by it (BadFeature)" in shown
    features = json.loads((tmp_path / "m.json").read_text())["interactions"]["features"]
    assert [each["name"] for each in features] == ["page"]


def test_a_small_source_is_checked_whole_and_what_blocks_is_said_with_its_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, report = tmp_path / "raw", tmp_path / "report.json"
    write(source / "log.csv", [ratings(n) for n in range(1200)])
    assert main.main(["init", str(source), "--report", str(report)]) == 0
    assert "check of these files: nothing blocks a training" in capsys.readouterr().out
    write(source / "log.csv", [{**ratings(n), "userId": 7} for n in range(1200)])
    assert main.main(["init", str(source), "--report", str(report)]) == 0
    shown = capsys.readouterr().out
    assert "check of these files: interactions.user_id (users): 1 user" in shown
    assert "map the column that identifies users" in shown
    assert "a check would refuse these files" in json.loads(report.read_text())["message"]
    write(source / "log.csv", [ratings(n) for n in range(50)])
    assert main.main(["init", str(source)]) == 0
    assert "TooFewRows: 50 usable rows" in capsys.readouterr().out


def test_the_window_of_attribution_leaves_labels_in_each_part_of_a_short_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hour = 3600
    rows = [
        {"user_id": n % 40, "item_id": n % 7, "event_time": START + n * hour // 4 + late * hour,
         "event_type": kind}
        for n in range(1600)
        for kind, late in (("view", 0), ("purchase", n % 120))[: 1 + (n % 3 == 0)]
    ]  # fmt: skip
    write(tmp_path / "raw/log.csv", rows)
    assert main.main(["init", str(tmp_path / "raw"), "--output", str(tmp_path / "m.json")]) == 0
    shown = capsys.readouterr().out
    hours = json.loads((tmp_path / "m.json").read_text())["label"]["attribution"]["hours"]
    assert f"label.attribution.hours is {hours} in place of " in shown
    assert 1 <= hours < 40
    assert "check of these files: nothing blocks a training" in shown


def test_the_command_shows_the_proof_and_fails_only_if_no_row_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = tmp_path / "raw", tmp_path / "mapping.json"
    rows = [ratings(n) for n in range(9)]
    write(source / "log.csv", [*rows, {**ratings(1), "timestamp": ""}])
    assert main.main(["init", str(source)]) == 0
    shown = capsys.readouterr()
    assert "interactions: 9 of 10 rows pass (1 of 1 files read)" in shown.out
    assert "  BadTimestamp 1, first: log.csv line 11" in shown.out
    assert "not all rows or files of interactions fit" in shown.err
    write(source / "log.csv", [{**row, "timestamp": "yesterday"} for row in rows])
    assert main.main(["init", str(source), "--output", str(output)]) == 2
    shown = capsys.readouterr()
    assert "interactions: 0 of 9 rows pass" in shown.out
    assert "fits no row" in shown.err
    assert json.loads(output.read_text())["interactions"]["files"] == "log.csv"

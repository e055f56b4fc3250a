"""`recommender-examples shop`: sizes and changes reach the generator; errors are refused."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from recommender_examples.command_line import main, parser

SIZES = ["--users", "50", "--items", "60", "--impressions", "600", "--days", "3"]


def test_it_writes_the_raw_files_and_separately_the_truth(tmp_path: Path) -> None:
    changes = ["--drift", "price@1", "--broken", "brand@2", "--defect", "WrongCategory"]
    rates = ["--positive-rate", "0.01", "--new-item-share", "0.2", "--seed", "3"]
    out = ["shop", "--out", str(tmp_path / "shop"), "--format", "JSONLines"]
    assert main([*out, *SIZES, *changes, *rates]) == 0
    assert {path.name for path in (tmp_path / "shop").iterdir()} == {
        "raw",
        "truth",
        "mapping.json",
    }
    log = pl.read_ndjson(tmp_path / "shop/raw/impressions/*.jsonl")
    assert log.height == 600
    found = json.loads((tmp_path / "shop/truth/parameters.json").read_text())
    assert found["seed"] == 3
    assert found["settings"] == {
        "users": 50,
        "items": 60,
        "impressions": 600,
        "days": 3,
        "positive_rate": 0.01,
        "new_item_share": 0.2,
        "drift": {"feature": "price", "day": 1},
        "broken": {"feature": "brand", "day": 2, "defect": "WrongCategory"},
    }


def test_all_kinds_are_in_the_log_and_in_the_mapping(tmp_path: Path) -> None:
    assert main(["shop", "--out", str(tmp_path), *SIZES, "--all-kinds"]) == 0
    assert {"basket", "query"} <= {*pl.read_parquet(tmp_path / "raw/impressions/*").columns}
    declared = json.loads((tmp_path / "mapping.json").read_text())["users"]["features"]
    assert "interests" in [each["name"] for each in declared]
    assert json.loads((tmp_path / "truth/parameters.json").read_text())["all_kinds"]


@pytest.mark.parametrize("change", [["--drift", "price"], ["--broken", "brand@soon"],
                                    ["--broken", "colour@1"], ["--drift", "price@3"],
                                    ["--positive-rate", "0.5"]])  # fmt: skip
def test_an_invalid_change_is_invalid_input(
    change: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["shop", "--out", str(tmp_path / "shop"), *SIZES, *change]) == 2
    assert "InvalidShop" in capsys.readouterr().err
    assert not (tmp_path / "shop").exists()


def test_a_defect_without_a_broken_feature_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["shop", "--out", str(tmp_path), "--defect", "Null"])
    assert "not allowed without --broken" in capsys.readouterr().err


def test_help_shows_examples_of_a_shop(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["shop", "--help"])
    assert "recommender-examples shop --out build/shop --drift price@20" in capsys.readouterr().out

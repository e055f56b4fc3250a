"""A whole training with an approximate index of the items."""

from __future__ import annotations

import json
import pathlib
import shutil
from typing import Any

import jsonschema
import pytest

from recommender_contract.resource.mapping import Format
from recommender_training.artifact import manifest
from recommender_training.config import lists
from recommender_training.export import parity
from recommender_training.fitted import ivf_selection
from recommender_training.ingestion import ingest
from recommender_training.models import ivf_index
from recommender_training.pipeline import training

CANDIDATES, NEW = 20, 8
SCHEMA_FILE = pathlib.Path(__file__).parents[3] / "docs" / "evaluation.schema.json"


def with_new_items(source: pathlib.Path, folder: pathlib.Path) -> tuple[pathlib.Path, str]:
    """A lake with the data of `source` and some new items, and its version."""
    shutil.copytree(source, folder / "raw")
    with (folder / "raw" / "synthetic.item").open("a", encoding="utf-8") as table:
        for item in range(1000, 1000 + NEW):
            table.write(f"{item}\tFilm {item}\t1998\t{('Drama', 'Comedy')[item % 2]}\n")
    return folder / "lake", ingest.ingest_and_check(
        folder / "raw", folder / "lake", kind=Format.MOVIELENS_100K
    ).data_version


def test_a_training_with_pages_is_the_same_twice_and_its_report_names_them(
    monkeypatch: pytest.MonkeyPatch, trained: Any, source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(lists, "ALL_ITEMS", 10)
    monkeypatch.setattr(lists, "CANDIDATES", CANDIDATES)
    monkeypatch.setattr(lists, "DENSE_ITEMS", 10)
    monkeypatch.setattr(lists, "EXACT_ITEMS", 10)
    monkeypatch.setattr(ivf_index, "CELL_SIZE", 4)
    monkeypatch.setattr(ivf_selection, "LEAST_SAMPLED", 4)
    monkeypatch.setattr(ivf_selection, "MOST_READ", 1.0)
    lake, version = with_new_items(source, tmp_path)
    results = [
        training.train(training.TrainingRun(lake, version, trained.config, path))
        for path in (tmp_path / "one", tmp_path / "two")
    ]
    one, other = results
    assert one.digest == other.digest
    told = one.report["retrieval"]
    jsonschema.validate(one.report, json.loads(SCHEMA_FILE.read_text()))
    known = manifest.verify_artifact(one.staged)["candidateIndex"]
    assert known == {name: told[name] for name in known}
    assert told["index"] == "Approximate"
    assert (told["newItems"], told["newItemCandidates"]) == (NEW, CANDIDATES // lists.ONE_NEW_IN)
    assert told["candidateRecall"] >= ivf_selection.LEAST_RECALL_AT_EXPORT
    parities = one.report["parity"]
    assert parities["recommender"]["maxDisorder"] < parity.RANK_TOLERANCE

"""`recalibrate`: a whole artifact of its own, whose files agree with the new calibration."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.artifact import MANIFEST
from recommender_training.artifact import manifest, triton
from recommender_training.cli.main import main
from recommender_training.common.errors import InputError
from recommender_training.config.recalibration import Recalibration, parse_recalibration
from recommender_training.export import recalibrated_graph
from recommender_training.export.recalibrated_graph import CalibrationChange
from recommender_training.pipeline import recalibrate
from recommender_training.pipeline.champion import Champion

SCHEMA = Path(__file__).parents[4] / "docs" / "evaluation.schema.json"
MADE = {
    "of": "movies-0123abcd", "slope": 0.8, "shift": -0.6, "totalSlope": 0.8,
    "totalShift": -0.6, "since": "2026-11-01T00:00:00Z",
    "judgedSince": "2026-11-15T00:00:00Z", "through": "2026-11-22T00:00:00Z", "users": 3500,
    "labels": 2800, "ratio": 0.7, "ratioAfter": 1.01, "gain": 0.012, "gainLow": 0.01,
    "gainHigh": 0.014,
}  # fmt: skip


def made(**fields: Any) -> Recalibration:
    return parse_recalibration(json.dumps(MADE | fields))


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for one another take longer than the small graphs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def recalibrated(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact, by the command."""
    folder = tmp_path_factory.mktemp("recalibrated")
    code = main(
        ["recalibrate", "--artifact", str(trained.staged), "--digest", trained.digest,
         "--recalibration", json.dumps(MADE), "--output", str(folder / "staged"),
         "--report", str(folder / "report.json")]
    )  # fmt: skip
    assert code == 0
    return folder


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def test_the_artifact_is_whole_and_its_digest_is_another_one(
    recalibrated: Path, trained: Any
) -> None:
    report = read(recalibrated, "report.json")
    assert (report["ok"], report["kind"]) == (True, "recalibrate")
    assert report["stagedPath"] == str(recalibrated / "staged")
    lineage = manifest.verify_artifact(recalibrated / "staged", report["digest"])
    assert report["digest"] != trained.digest
    before = manifest.verify_artifact(trained.staged)
    assert lineage["recalibration"] == {**lineage["recalibration"], "artifact": trained.digest}
    assert lineage["recalibration"]["of"] == "movies-0123abcd"
    for name in ("dataVersion", "codeVersion", "seed", "hyperparameters", "metrics"):
        assert lineage[name] == before[name]


def test_nothing_but_the_calibration_is_changed(recalibrated: Path, trained: Any) -> None:
    one = {each["path"]: each["sha256"] for each in manifest.listing(trained.staged)}
    other = {each["path"]: each["sha256"] for each in manifest.listing(recalibrated / "staged")}
    assert one.keys() == other.keys()
    assert {path for path in one if one[path] != other[path]} == {
        "reference.json", "report.html", "report.json", "repository/recommender/1/model.pt",
    }  # fmt: skip


def test_the_same_inputs_give_the_same_bytes(
    recalibrated: Path, trained: Any, tmp_path: Path
) -> None:
    again = recalibrate.recalibrate(trained.staged, trained.digest, made(), tmp_path / "staged")
    assert again.digest == read(recalibrated, "report.json")["digest"]


def test_the_report_holds_to_the_schema_and_the_page_says_what_it_is(
    recalibrated: Path, trained: Any
) -> None:
    report, before = (read(f, "report.json") for f in (recalibrated / "staged", trained.staged))
    jsonschema.validate(report, read(SCHEMA.parent, SCHEMA.name))
    found, was = report["calibration"], before["calibration"]
    assert found["temperature"] == pytest.approx(was["temperature"] / 0.8, abs=1e-6)
    assert found["offset"] == pytest.approx(0.8 * was["offset"] - 0.6, abs=1e-6)
    assert found["baselineTemperature"] == was["baselineTemperature"]
    page = (recalibrated / "staged" / "report.html").read_text()
    assert "has the network and the lists of movies-0123abcd; nothing was trained" in page
    assert "+0.01000 to +0.01400" in page


def test_each_session_of_the_reference_stays_in_its_bin(recalibrated: Path, trained: Any) -> None:
    after, before = (
        {each["name"]: each for each in read(folder, "reference.json")["features"]}
        for folder in (recalibrated / "staged", trained.staged)
    )
    moved, was = after.pop("top_score"), before.pop("top_score")
    assert after == before
    assert moved["counts"] == was["counts"]
    wanted = CalibrationChange(0.8, -0.6).probability(np.array(was["edges"]))
    np.testing.assert_allclose(moved["edges"], wanted)
    assert {k: v for k, v in moved.items() if k != "edges"} == {
        k: v for k, v in was.items() if k != "edges"
    }


@given(
    edges=st.lists(st.floats(1e-9, 1), unique=True, max_size=9),
    slope=st.floats(0.5, 2),
    shift=st.floats(-3, 3),
)
def test_edges_that_become_one_lose_no_session(
    edges: list[float], slope: float, shift: float
) -> None:
    counts = list(range(1, len(edges) + 2))
    feature = {"name": "top_score", "edges": sorted(edges), "counts": counts}
    moved = recalibrate._moved(feature, CalibrationChange(slope, shift))
    assert sum(moved["counts"]) == sum(counts)
    assert len(moved["counts"]) == len(moved["edges"]) + 1
    assert (np.diff(moved["edges"]) > 0).all()


def test_it_can_be_judged_as_a_champion_and_recalibrated_again(
    recalibrated: Path, tmp_path: Path
) -> None:
    digest = read(recalibrated, "report.json")["digest"]
    Champion.load(recalibrated / "staged", digest)
    back = made(slope=1 / 0.8, shift=0.6 / 0.8)
    recalibrate.recalibrate(recalibrated / "staged", digest, back, tmp_path / "staged")
    assert triton.model_path(tmp_path / "staged").is_file()
    found = read(tmp_path / "staged", "report.json")
    assert found["recalibration"]["artifact"] == digest


@pytest.mark.parametrize(
    ("name", "missing"), [("report.json", "calibration"), ("vocabulary.json", "features")]
)
def test_an_artifact_of_an_early_release_is_refused(
    trained: Any, tmp_path: Path, name: str, missing: str
) -> None:
    folder = tmp_path / "v-0"
    shutil.copytree(trained.staged, folder)
    body = read(folder, name)
    del body[missing]
    (folder / name).write_text(json.dumps(body))
    (folder / MANIFEST).unlink()
    digest = manifest.write_manifest(folder, {})
    with pytest.raises(InputError, match=f"no '{missing}'") as found:
        recalibrate.recalibrate(folder, digest, made(), tmp_path / "staged")
    assert found.value.reason == "NotCalibrated"
    assert not (tmp_path / "staged").exists()


def test_another_digest_is_refused_and_leaves_nothing(trained: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="digest"):
        recalibrate.recalibrate(trained.staged, "sha256:" + "0" * 64, made(), tmp_path / "staged")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_check_leaves_nothing(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recalibrated_graph, "TOLERANCE", -1.0)
    with pytest.raises(InputError) as found:
        recalibrate.recalibrate(trained.staged, trained.digest, made(), tmp_path / "staged")
    assert found.value.reason == "RecalibrationFailed"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"slope": 0}, "slope"),
        ({"slope": -1}, "slope"),
        ({"shift": math.nan}, "shift"),
        ({"shift": 1e9}, "shift"),
        ({"gain": math.inf}, "gain"),
        ({"of": None}, "of"),
        ({"other": 1}, "other"),
    ],
)
def test_a_calibration_that_is_none_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=f"--recalibration: {field}") as found:
        made(**fields)
    assert found.value.reason == "InvalidRecalibration"

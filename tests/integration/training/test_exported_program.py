"""`model.pt2`: what torch.export makes of a real graph, and what is taken back from it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from recommender_training.artifact import manifest
from recommender_training.common.errors import InputError
from recommender_training.config.training import parse_config
from recommender_training.data import load
from recommender_training.data.dataset import Dataset
from recommender_training.export import parity, torch_export, torchscript
from recommender_training.export.comparison_requests import comparison_request
from recommender_training.ingestion import ingest
from recommender_training.ingestion.mapping import Format
from recommender_training.pipeline import training
from recommender_training.samples import synthetic
from tests.hostile_programs import ATTACKS, rewritten

CONFIG = {
    "seed": 3,
    "hyperparameters": {"epochs": 1, "embeddingDim": 8, "batchSize": 256},
    "export": {"torchExport": True},
}


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The lake and its data version."""
    work = tmp_path_factory.mktemp("exported")
    raw = work / "raw"
    raw.mkdir()
    synthetic.generate(raw, synthetic.Size(users=120, items=60, interactions=3000), seed=5)
    return work / "lake", ingest.check(raw, work / "lake", kind=Format.MOVIELENS_100K).data_version


@pytest.fixture(scope="module")
def data(version: tuple[Path, str]) -> Dataset:
    return load.load(*version, None)[1]


@pytest.fixture(scope="module")
def trained(version: tuple[Path, str]) -> training.TrainResult:
    config = parse_config(json.dumps(CONFIG))
    return training.train(training.TrainingRun(*version, config, version[0].with_name("v")))


@pytest.fixture(scope="module")
def program(trained: training.TrainResult) -> bytes:
    return (trained.staged / "repository/recommender/1/model.pt2").read_bytes()


def read(archive: bytes, folder: Path) -> torch.nn.Module:
    path = folder / "model.pt2"
    path.write_bytes(archive)
    return torch_export.load(path, hashlib.sha256(archive).hexdigest())


@pytest.fixture(scope="module")
def loaded(program: bytes, tmp_path_factory: pytest.TempPathFactory) -> torch.nn.Module:
    return read(program, tmp_path_factory.mktemp("program"))


@pytest.mark.parametrize("batch", [1, 2, 7, 64, 1024])
@pytest.mark.parametrize(("length", "wanted"), [(1, 10), (20, 3), (45, 10_000)])
def test_it_answers_what_torchscript_answers(
    trained: training.TrainResult,
    data: Dataset,
    loaded: torch.nn.Module,
    batch: int,
    length: int,
    wanted: int,
) -> None:
    scripted = torchscript.load(trained.staged / "repository/recommender/1/model.pt")
    random = np.random.default_rng(batch + length)
    asked = comparison_request(random, data, (batch, length, wanted))
    assert parity.between(loaded, scripted, [asked]) <= 1e-6


def test_its_parity_is_in_the_report_and_its_digest_in_the_manifest(
    trained: training.TrainResult, program: bytes
) -> None:
    assert trained.report["parity"]["torchExport"]["maxDifference"] <= 1e-6
    listed = {each["path"]: each["sha256"] for each in manifest.verify(trained.staged)["files"]}
    assert listed["repository/recommender/1/model.pt2"] == hashlib.sha256(program).hexdigest()


def test_it_names_no_path_of_its_machine_and_holds_no_pickle_and_no_time(program: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(program)) as opened:
        for info in opened.infolist():
            data = opened.read(info)
            assert str(Path.cwd()).encode() not in data, info.filename
            assert b".py" not in data, info.filename
            assert info.date_time == (1980, 1, 1, 0, 0, 0)


def test_two_exports_are_the_same_bytes(
    trained: training.TrainResult, program: bytes, tmp_path: Path
) -> None:
    lake = trained.staged.parent / "lake"
    version = str(trained.report["dataVersion"])
    again = training.train(
        training.TrainingRun(lake, version, parse_config(json.dumps(CONFIG)), tmp_path / "again")
    )
    assert (again.staged / "repository/recommender/1/model.pt2").read_bytes() == program
    assert again.digest == trained.digest


@pytest.mark.parametrize("attack", list(ATTACKS))
def test_one_that_asks_for_more_than_tensors_is_refused(
    program: bytes, tmp_path: Path, attack: str
) -> None:
    change, said = ATTACKS[attack]
    with pytest.raises(InputError, match=said):
        read(rewritten(program, lambda files: change(files, b"a pickle")), tmp_path)

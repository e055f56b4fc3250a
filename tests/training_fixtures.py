"""A small generated data set, ingested and trained once a session; nothing needs a network."""

from __future__ import annotations

import functools
import json
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from recommender_contract.resource.mapping import Format
from recommender_examples import synthetic
from recommender_training.config.training import TrainingConfig, parse_config
from recommender_training.data import load, version_content
from recommender_training.data.dataset import Dataset
from recommender_training.export import latency
from recommender_training.features.prepared_data import PreparedData, prepare_data
from recommender_training.fitted.bundle import Bundle
from recommender_training.ingestion import ingest
from recommender_training.pipeline import training, variants
from recommender_training.trainer.fit_models import fit_models
from tests.search_objectives import SEARCH_CONFIG, Searched

#: What a `conftest.py` takes from here.
__all__ = [
    "bundle",
    "data",
    "few_timed_calls",
    "prepared",
    "regression",
    "searched",
    "source",
    "tables",
    "torch_as_before",
    "trained",
    "varied",
]

CONFIG = '{"seed": 3, "hyperparameters": {"epochs": 3, "embeddingDim": 8, "batchSize": 256}}'

#: Pruned is refused for what it saves, Int8 serves.
VARIED = json.dumps(
    json.loads(CONFIG)
    | {
        "export": {
            "variants": ["Int8", "Pruned"],
            "keep": 1,
            "maxAucLoss": 0.05,
            "maxNdcgLoss": 0.5,
            "minSaving": 0.05,
        }
    }
)


@dataclass(frozen=True)
class Trained:
    """A staged artifact, and where its data came from."""

    lake: Path
    data_version: str
    config: TrainingConfig
    result: training.TrainResult

    @property
    def staged(self) -> Path:
        return self.result.staged

    @property
    def digest(self) -> str:
        return self.result.digest


@pytest.fixture(autouse=True)
def torch_as_before() -> Iterator[None]:
    """Settings of PyTorch belong to the process: give them back."""
    deterministic, threads = torch.get_deterministic_debug_mode(), torch.get_num_threads()
    yield
    torch.set_deterministic_debug_mode(deterministic)
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope="session")
def few_timed_calls() -> Iterator[None]:
    """Time the exported graph by a few calls: hundreds would be a third of so small a training."""
    few = functools.partial(latency.p99_milliseconds, budget=0.02)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "latency", types.SimpleNamespace(p99_milliseconds=few))
        patch.setattr(variants, "latency", types.SimpleNamespace(compare_latency=_alike))
        yield


def _alike(models: Iterable[str], _words: object) -> dict[str, dict[str, float]]:
    """Times of graphs that no machine's noise tells apart."""
    return {name: {"p50Milliseconds": 1.0, "p99Milliseconds": 1.5} for name in models}


@functools.cache
def _source(base: Path) -> Path:
    folder = base / "generated"
    folder.mkdir()
    synthetic.generate(folder, synthetic.Size(users=120, items=60, interactions=3000), seed=5)
    return folder


@functools.cache
def _trained(base: Path) -> Trained:
    work = base / "trained"
    work.mkdir()
    checked = ingest.ingest_and_check(_source(base), work / "lake", kind=Format.MOVIELENS_100K)
    config = parse_config(CONFIG)
    result = training.train(
        training.TrainingRun(work / "lake", checked.data_version, config, work / "staged")
    )
    return Trained(work / "lake", checked.data_version, config, result)


# Each `conftest.py` that takes fixtures from here has its own: what is costly is made once.
@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _source(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def trained(few_timed_calls: None, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return _trained(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def regression(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> training.TrainResult:
    """The logistic regression as the model that serves, on the same data."""
    config = parse_config('{"algorithm": "LogisticRegression", "seed": 3}')
    output = tmp_path_factory.mktemp("regression") / "staged"
    return training.train(training.TrainingRun(trained.lake, trained.data_version, config, output))


@pytest.fixture(scope="session")
def searched(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Searched:
    output = tmp_path_factory.mktemp("searched") / "v-1"
    config = parse_config(json.dumps(SEARCH_CONFIG))
    result = training.train(
        training.TrainingRun(trained.lake, trained.data_version, config, output)
    )
    return Searched(
        trained.lake, trained.data_version, result.staged, result.digest, result.report
    )


@pytest.fixture(scope="session")
def varied(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> training.TrainResult:
    """A training of the same data, one fit short, whose variants are tried: Int8 serves."""
    output = tmp_path_factory.mktemp("varied") / "v-1"
    return training.train(
        training.TrainingRun(trained.lake, trained.data_version, parse_config(VARIED), output)
    )


@pytest.fixture(scope="session")
def tables(trained: Trained) -> version_content.Tables:
    return version_content.read_version(trained.lake, trained.data_version)


@pytest.fixture(scope="session")
def data(trained: Trained) -> Dataset:
    return load.load_dataset(trained.lake, trained.data_version, None)[1]


@pytest.fixture(scope="session")
def prepared(data: Dataset, trained: Trained) -> PreparedData:
    return prepare_data(data, trained.config)


@pytest.fixture(scope="session")
def bundle(prepared: PreparedData, trained: Trained) -> Bundle:
    return fit_models(prepared, trained.config, 1)

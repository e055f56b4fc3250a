"""Code compiled by inductor, the backend of GPUs, fits the weights of eager code on the CPU."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
import torch

from recommender_contract.resource.hyperparameters import Precision
from recommender_training.config.training import Hyperparameters
from recommender_training.features import attributes
from recommender_training.features.prepared_data import PreparedData
from recommender_training.models.ranker import RankerSize, create_ranker
from recommender_training.trainer import fit
from recommender_training.trainer.runtime import Runtime

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler"),
    # PyTorch's own compiler is written with what is deprecated, and imports it when it first runs.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
COMPILER = "inductor"


@pytest.fixture(autouse=True)
def one_plain_compiler() -> Iterator[None]:
    """Let inductor write C++ without vector instructions, compiled one after another.

    What it does with the models is the same for every backend. To choose vector instructions, it
    would build a program for each kind of this processor, and import PyTorch once more to run it.
    """
    from torch._inductor import config

    with config.patch({"cpp.vec_isa_ok": False, "compile_threads": 1}):
        yield


class Pairs:
    """Rows of numbers."""

    def __init__(self, numbers: torch.Tensor) -> None:
        self.numbers = numbers

    def take(self, rows: torch.Tensor) -> Pairs:
        return Pairs(self.numbers[rows])

    def to(self, device: torch.device) -> Pairs:
        return Pairs(self.numbers.to(device))


class Small(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = torch.nn.Linear(6, 16), torch.nn.BatchNorm1d(16)
        self.out = torch.nn.Linear(16, 1)

    def forward(self, batch: Pairs) -> torch.Tensor:
        hidden = torch.relu(self.norm(self.first(batch.numbers)))
        return torch.as_tensor(self.out(hidden).squeeze(1))


def fitted(compiler: str | None) -> torch.Tensor:
    """[rows] logits of the small model, fitted in single precision."""
    precision = Precision.FLOAT32
    fit.seed_everything(1, 1)
    inputs = Pairs(torch.randn(512, 6))
    label = (inputs.numbers.sum(1) > 0).float()
    model = Small()
    train, held = torch.arange(384), torch.arange(384, 512)
    settings = Hyperparameters(epochs=2, batch_size=128, precision=precision)
    how = Runtime(torch.device("cpu"), precision, compiler)
    fit.fit(model, fit.Examples(inputs, train, held, label), settings, fit.FitOptions(how=how))
    return fit.predict(model, inputs, held)


def ranked(prepared: PreparedData, compiler: str | None) -> torch.Tensor:
    """[rows] logits of the ranker, fitted in mixed precision as on a GPU, without dropout, whose
    masks would be others.
    """
    fit.seed_everything(1, 1)
    data = prepared.data
    size = RankerSize(data.users.count, attributes.sizes(data), 8, 0.0, 0.5)
    train, held = (torch.from_numpy(r) for r in (prepared.split.train, prepared.split.validation))
    model = create_ranker(prepared.data, prepared.kept, train, size=size)
    settings = Hyperparameters(epochs=1, embedding_dim=8, batch_size=512)
    how = Runtime(torch.device("cpu"), Precision.BFLOAT16, compiler)
    examples = fit.Examples(prepared.kept, train, held, prepared.kept.label)
    fit.fit(model, examples, settings, fit.FitOptions(how=how))
    return fit.predict(model, prepared.kept, held)


def test_a_small_model_has_the_answers_of_eager_code() -> None:
    torch.testing.assert_close(fitted(COMPILER), fitted(None), atol=5e-3, rtol=5e-3)


def test_the_ranker_in_mixed_precision_has_the_answers_of_eager_code(
    prepared: PreparedData,
) -> None:
    eager, compiled = ranked(prepared, None), ranked(prepared, COMPILER)
    furthest = float((compiled - eager).abs().max())
    assert 0 < furthest < 0.1 * float(eager.std()), "sums are in another order"

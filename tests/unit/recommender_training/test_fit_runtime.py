"""However the arithmetic is done, it is the same fit: precision, compiled code, other devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.fx import GraphModule

from recommender_training.config import Hyperparameters, Precision
from recommender_training.models import fit, runtime
from recommender_training.models.prepared import Prepared
from recommender_training.models.ranker import Ranker, RankerSize, create
from recommender_training.models.runtime import Runtime

CPU = torch.device("cpu")
SETTINGS = Hyperparameters(epochs=1, embedding_dim=8, batch_size=512)


def fresh(prepared: Prepared, dropout: float = 0.1) -> Ranker:
    users = prepared.data.users
    size = RankerSize(users.count, len(users.genders), len(users.occupations), 8, dropout, 0.5)
    train = torch.from_numpy(prepared.split.train)
    return create(prepared.data, prepared.kept, train, size=size)


def fitted(prepared: Prepared, how: Runtime, *, threads: int = 1, dropout: float = 0.1) -> Ranker:
    fit.seed_everything(1, threads)
    model = fresh(prepared, dropout)
    train, held = (torch.from_numpy(r) for r in (prepared.split.train, prepared.split.validation))
    inputs = prepared.kept
    fit.fit(model, inputs, train, held, SETTINGS, inputs.label, how=how)
    return model


def furthest(one: Ranker, other: Ranker) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((mine - theirs).detach().abs().max()) for mine, theirs in pairs)


def test_compiled_code_is_whole_and_gives_the_weights_of_eager_code(prepared: Prepared) -> None:
    """Without dropout, whose masks are others; the hidden ids are the same random ones."""
    graphs = []

    def backend(graph: GraphModule, _inputs: list[torch.Tensor]) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    eager = fitted(prepared, Runtime(CPU, Precision.FLOAT32), dropout=0.0)
    traced = fitted(prepared, Runtime(CPU, Precision.FLOAT32, backend), dropout=0.0)
    assert furthest(eager, traced) < 1e-6
    assert len(graphs) == 2, "one of a whole batch and one of the last: no part is left out"


def test_bfloat16_is_near_single_precision_and_not_the_same(prepared: Prepared) -> None:
    exact = fitted(prepared, Runtime(CPU, Precision.FLOAT32))
    rounded = fitted(prepared, Runtime(CPU, Precision.BFLOAT16))
    held = torch.from_numpy(prepared.split.validation)
    one, other = (fit.predict(model, prepared.kept, held) for model in (exact, rounded))
    assert float((one - other).abs().max()) > 0
    assert float((one - other).abs().mean()) < 0.1 * float(one.std())
    assert {weight.dtype for weight in rounded.parameters()} == {torch.float32}


@pytest.mark.parametrize("precision", list(Precision))
def test_two_threads_repeat_themselves(prepared: Prepared, precision: Precision) -> None:
    how = Runtime(CPU, precision)
    assert furthest(fitted(prepared, how, threads=2), fitted(prepared, how, threads=2)) == 0


def test_the_ranker_makes_no_tensor_on_another_device(prepared: Prepared) -> None:
    """The meta device stands in for a GPU: a tensor made on the CPU meets none of its own."""
    meta = torch.device("meta")
    model = fresh(prepared).to(meta).train()
    batch = prepared.kept.take(torch.arange(16)).to(meta)
    logits = model(batch)
    assert logits.device.type == "meta"
    assert logits.shape == (16,)


def test_without_a_gpu_the_cpu_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert runtime.choose(Precision.FLOAT32) == Runtime(CPU, Precision.FLOAT32, None)


def test_a_gpu_is_used_with_compiled_code_and_sums_in_one_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    environment: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environment)
    chosen = runtime.choose(Precision.BFLOAT16)
    assert chosen == Runtime(torch.device("cuda"), Precision.BFLOAT16, "inductor")
    assert environment == {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def test_the_pace_leaves_the_looks_out(prepared: Prepared) -> None:
    fit.seed_everything(1, 1)
    model = fresh(prepared)
    held = torch.from_numpy(prepared.split.validation)
    train = torch.from_numpy(prepared.split.train)
    ticks = iter(range(1000))
    log = fit.fit(
        model,
        prepared.kept,
        train,
        held,
        SETTINGS,
        prepared.kept.label,
        clock=lambda: float(next(ticks)),
    )
    # Start, two readings around each look, end: the looks last as long as between two readings.
    assert len(log.looks) == 2
    assert log.epoch_seconds == [1 + 2 * len(log.looks) - len(log.looks)]

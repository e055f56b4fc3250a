"""However the arithmetic is done, it is the same fit: precision, compiled code, other devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.fx import GraphModule
from torch.utils._python_dispatch import TorchDispatchMode

from recommender_contract.resource.hyperparameters import Precision, Retrieval, RetrievalLoss
from recommender_training.config.training import Hyperparameters, TrainingConfig
from recommender_training.features import attributes
from recommender_training.features.prepared_data import PreparedData
from recommender_training.models.ranker import Ranker, RankerSize, create_ranker
from recommender_training.models.tower_examples import tower_examples
from recommender_training.models.two_tower import TwoTower
from recommender_training.trainer import fit, fit_towers, runtime
from recommender_training.trainer.runtime import Runtime

CPU = torch.device("cpu")
#: What PyTorch refuses on CUDA under deterministic algorithms, of all that a recommender might
#: call (torch.use_deterministic_algorithms; `cumsum` of floats, `put_` that does not add).
REFUSED_ON_A_GPU = {
    "aten::bincount", "aten::cumsum", "aten::histc", "aten::kthvalue", "aten::median",
    "aten::put_", "aten::_embedding_bag_backward", "aten::nll_loss2d_forward",
    "aten::scatter_reduce", "aten::_ctc_loss_backward",
}  # fmt: skip
SETTINGS = Hyperparameters(epochs=1, embedding_dim=8, batch_size=512)


def fresh(prepared: PreparedData, dropout: float = 0.1) -> Ranker:
    data = prepared.data
    size = RankerSize(data.users.count, attributes.sizes(data), 8, dropout, 0.5)
    train = torch.from_numpy(prepared.split.train)
    return create_ranker(prepared.data, prepared.kept, train, size=size)


def fitted(
    prepared: PreparedData, how: Runtime, *, threads: int = 1, dropout: float = 0.1
) -> Ranker:
    fit.seed_everything(1, threads)
    model = fresh(prepared, dropout)
    train, held = (torch.from_numpy(r) for r in (prepared.split.train, prepared.split.validation))
    inputs = prepared.kept
    examples = fit.Examples(inputs, train, held, inputs.label)
    fit.fit(model, examples, SETTINGS, fit.FitOptions(how=how))
    return model


def furthest(one: torch.nn.Module, other: torch.nn.Module) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((mine - theirs).detach().abs().max()) for mine, theirs in pairs)


class Tracer:
    """A compiler that leaves the code as it is, and counts the graphs that it was given."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: GraphModule, _inputs: list[torch.Tensor]) -> Callable[..., Any]:
        self.graphs += 1
        return graph.forward


def test_compiled_code_is_whole_and_gives_the_weights_of_eager_code(
    prepared: PreparedData,
) -> None:
    """Without dropout, whose masks are others; the hidden ids are the same random ones."""
    tracer = Tracer()
    eager = fitted(prepared, Runtime(CPU, Precision.FLOAT32), dropout=0.0)
    traced = fitted(prepared, Runtime(CPU, Precision.FLOAT32, tracer), dropout=0.0)
    assert furthest(eager, traced) < 1e-6
    assert tracer.graphs == 2, "one of a whole batch and one of the last: no part is left out"


def test_bfloat16_is_near_single_precision_and_not_the_same(prepared: PreparedData) -> None:
    exact = fitted(prepared, Runtime(CPU, Precision.FLOAT32))
    rounded = fitted(prepared, Runtime(CPU, Precision.BFLOAT16))
    held = torch.from_numpy(prepared.split.validation)
    one, other = (fit.predict(model, prepared.kept, held) for model in (exact, rounded))
    assert float((one - other).abs().max()) > 0
    assert float((one - other).abs().mean()) < 0.1 * float(one.std())
    assert {weight.dtype for weight in rounded.parameters()} == {torch.float32}


@pytest.mark.parametrize("precision", [Precision.FLOAT32, Precision.BFLOAT16])
def test_two_threads_repeat_themselves(prepared: PreparedData, precision: Precision) -> None:
    how = Runtime(CPU, precision)
    assert furthest(fitted(prepared, how, threads=2), fitted(prepared, how, threads=2)) == 0


def towers(prepared: PreparedData, loss: RetrievalLoss, how: Runtime) -> TwoTower:
    """Two towers, fitted without dropout, whose masks would be others in compiled code."""
    fit.seed_everything(1, 1)
    settings = SETTINGS.model_copy(
        update={"retrieval": Retrieval.TWO_TOWER, "retrieval_loss": loss, "dropout": 0.0}
    )
    split = prepared.split
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "choose_runtime", lambda *_: how)
        patch.setattr(fit_towers, "_SETTINGS", {"epochs": 1, "batch_size": 512})
        made = fit_towers.fit_towers(
            prepared.data,
            split.train,
            split.validation,
            prepared.inputs,
            TrainingConfig(hyperparameters=settings),
        )
    assert made.towers is not None
    return made.towers


@pytest.mark.parametrize("loss", list(RetrievalLoss))
def test_compiled_towers_have_the_weights_of_eager_ones(
    prepared: PreparedData, loss: RetrievalLoss
) -> None:
    tracer = Tracer()
    eager = towers(prepared, loss, Runtime(CPU, Precision.FLOAT32))
    traced = towers(prepared, loss, Runtime(CPU, Precision.FLOAT32, tracer))
    assert furthest(eager, traced) < 1e-6
    assert tracer.graphs == 2, "one of a whole batch and one of the last: no part is left out"


def models(prepared: PreparedData) -> Iterator[tuple[torch.nn.Module, fit.Rows]]:
    """All that a training fits by gradient, and the rows that each reads."""
    yield fresh(prepared), prepared.kept
    read = tower_examples(prepared.kept, prepared.data.events, prepared.split.train)
    for loss in RetrievalLoss:
        yield towers(prepared, loss, Runtime(CPU, Precision.FLOAT32)), read


def test_no_model_makes_a_tensor_on_another_device(prepared: PreparedData) -> None:
    """The meta device stands in for a GPU: a tensor made on the CPU meets none of its own."""
    meta = torch.device("meta")
    for model, rows in models(prepared):
        batch = rows.to(meta).take(torch.arange(16, device=meta))
        for mode in (False, True):
            answers = model.to(meta).train(mode)(batch)
            assert answers.device.type == "meta"
            assert answers.shape == (16,)
        answers.sum().backward()


class Recorded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The operations of ATen that were called."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None):  # type: ignore[no-untyped-def]
        name = function.overloadpacket._qualified_op_name
        if name != "aten::cumsum" or args[0].is_floating_point():
            self.names.add(name)
        return function(*args, **(kwargs or {}))


def test_no_step_asks_for_what_a_gpu_refuses_where_runs_have_to_repeat(
    prepared: PreparedData,
) -> None:
    """On the CPU these operations are repeatable, so that nothing would be noticed here."""
    for model, rows in models(prepared):
        with Recorded() as recorded:
            model.train()(rows.take(torch.arange(16))).sum().backward()
        assert recorded.names >= {"aten::index_select", "aten::mm"}, "nothing was recorded"
        assert not recorded.names & REFUSED_ON_A_GPU


def test_without_a_gpu_the_cpu_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert runtime.choose_runtime(Precision.FLOAT32) == Runtime(CPU, Precision.FLOAT32, None)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Where PyTorch sees a GPU, and all that compiles for it is there."""
    variables: dict[str, str] = {}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("os.environ", variables)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    monkeypatch.setattr("shutil.which", {"clang": "/usr/bin/clang"}.get)
    monkeypatch.setattr("pathlib.Path.exists", lambda _: True)
    return variables


def test_a_gpu_is_used_with_compiled_code_and_sums_in_one_order(
    environment: dict[str, str],
) -> None:
    chosen = runtime.choose_runtime(Precision.BFLOAT16)
    assert chosen == Runtime(torch.device("cuda"), Precision.BFLOAT16, "inductor")
    assert environment["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


@pytest.mark.parametrize(
    ("missing", "nothing", "said"),
    [
        ("importlib.util.find_spec", None, "no package triton"),
        ("shutil.which", None, "no C compiler"),
        ("pathlib.Path.exists", False, "no Python.h"),
    ],
)
def test_a_gpu_is_used_without_compiled_code_where_nothing_compiles(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    missing: str,
    nothing: object,
    said: str,
) -> None:
    """As in an image without a compiler, where Triton would end the training."""
    monkeypatch.setattr(missing, lambda _: nothing)
    assert runtime.choose_runtime(Precision.BFLOAT16) == Runtime(
        torch.device("cuda"), Precision.BFLOAT16, None
    )
    assert said in capsys.readouterr().err


def test_a_compiler_that_is_named_and_not_there_is_none(environment: dict[str, str]) -> None:
    environment["CC"] = "icc"
    assert runtime.choose_runtime(Precision.FLOAT32).compiler is None


def test_the_pace_leaves_the_looks_out(prepared: PreparedData) -> None:
    fit.seed_everything(1, 1)
    model = fresh(prepared)
    held = torch.from_numpy(prepared.split.validation)
    train = torch.from_numpy(prepared.split.train)
    ticks = iter(range(1000))
    examples = fit.Examples(prepared.kept, train, held, prepared.kept.label)
    log = fit.fit(model, examples, SETTINGS, clock=lambda: float(next(ticks)))
    # Start, two readings around each look, end: the looks last as long as between two readings.
    assert len(log.looks) == 2
    assert log.epoch_seconds == [1 + 2 * len(log.looks) - len(log.looks)]

"""The part of our Triton backend that knows torch and not Triton."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[3]


def load_backend() -> Any:
    """Triton runs this file outside any package."""
    path = ROOT / "serving" / "triton" / "pytorch" / "torchscript.py"
    spec = importlib.util.spec_from_file_location("triton_torchscript", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


backend = load_backend()


class Scale(torch.nn.Module):
    """Refuses -1; counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1, dtype=torch.int64))

    def forward(self, x: torch.Tensor, factor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.calls.add_(1)  # type: ignore[operator]
        if bool((factor == -1).any()):
            raise RuntimeError("refused")
        return x * factor, x.sum(dim=1, keepdim=True)


def config(batch: int = 8, *inputs: str, output: str = "scaled__0") -> dict[str, Any]:
    first, second = inputs or ("x", "factor")
    return {
        "max_batch_size": batch,
        "input": [
            {"name": second, "data_type": "TYPE_FP32", "dims": ["1"]},
            {"name": first, "data_type": "TYPE_FP32", "dims": ["-1"]},
        ],
        "output": [
            {"name": output, "data_type": "TYPE_FP32", "dims": ["-1"]},
            {"name": "sum__1", "data_type": "TYPE_FP32", "dims": ["1"]},
        ],
    }


class OneRow(torch.nn.Module):
    """Forgets that a batch has several rows."""

    def forward(self, x: torch.Tensor, factor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return (x * factor)[:1], x.sum(dim=1, keepdim=True)[:1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save(Scale(), tmp_path / "model.pt")


def save(module: torch.nn.Module, saved: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript itself
        scripted: torch.jit.ScriptModule = torch.jit.script(module)
        torch.jit.save(scripted, saved)
    return saved


@pytest.fixture
def model(path: Path) -> Any:
    return load(path, config())


def load(path: Path, configuration: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return backend.TorchScriptModel(path, configuration)


def request(factor: float, *values: float) -> dict[str, torch.Tensor]:
    return {"factor": torch.tensor([[float(factor)]]), "x": torch.tensor([[*map(float, values)]])}


def calls(model: Any) -> int:
    return int(model.module.calls)


def test_requests_of_equal_shape_share_one_call_and_get_their_own_rows(model: Any) -> None:
    answers = model.run([request(2, 1, 2), request(3, 5, 6)])

    assert [a["scaled__0"].tolist() for a in answers] == [[[2, 4]], [[15, 18]]]
    assert [a["sum__1"].tolist() for a in answers] == [[[3]], [[11]]]
    assert calls(model) == 1


def test_requests_of_different_shapes_keep_their_order(model: Any) -> None:
    answers = model.run([request(2, 1), request(2, 1, 2), request(2, 3), request(2, 3, 4)])

    assert [a["scaled__0"].tolist() for a in answers] == [[[2]], [[2, 4]], [[6]], [[6, 8]]]
    assert calls(model) == 2


def test_a_request_that_fails_does_so_alone(model: Any) -> None:
    good, bad, other = model.run([request(2, 1), request(-1, 1), request(3, 1)])

    assert good["scaled__0"].tolist() == [[2]]
    assert isinstance(bad, Exception)
    assert "refused" in str(bad)
    assert other["scaled__0"].tolist() == [[3]]


def test_a_model_without_a_batch_dimension_is_called_once_a_request(path: Path) -> None:
    model = load(path, config(0))

    model.run([request(2, 1), request(3, 1)])

    assert calls(model) == 2


def test_a_result_that_forward_does_not_return_is_an_error(path: Path) -> None:
    model = load(path, config(8, output="scaled__7"))

    (answer,) = model.run([request(2, 1)])

    assert "forward returns only 2 values" in str(answer)


def test_a_result_of_another_type_than_configured_is_an_error(path: Path) -> None:
    configuration = config()
    configuration["output"][0]["data_type"] = "TYPE_INT64"

    (answer,) = load(path, configuration).run([request(2, 1)])

    assert "forward returned torch.float32, config.pbtxt says torch.int64" in str(answer)


def test_a_result_of_fewer_rows_than_the_batch_is_an_error(tmp_path: Path) -> None:
    model = load(save(OneRow(), tmp_path / "model.pt"), config())
    batch = {"factor": torch.ones(3, 1), "x": torch.ones(3, 2)}

    (answer,) = model.run([batch])

    assert "scaled__0: shape [1, 2] for a batch of 3" in str(answer)


def test_a_type_that_torch_has_not_is_refused_at_load(path: Path) -> None:
    configuration = config()
    configuration["input"][0]["data_type"] = "TYPE_STRING"

    with pytest.raises(backend.ModelError, match="factor: TYPE_STRING is not supported"):
        load(path, configuration)


def test_warm_up_calls_every_shape_until_it_is_compiled(model: Any) -> None:
    done = model.warm_up()

    shapes = len(backend.WARM_UP_BATCHES) * len(backend.WARM_UP_LENGTHS)
    assert done == calls(model) == shapes * backend.WARM_UP_CALLS


def test_warm_up_ends_when_its_time_is_over(model: Any) -> None:
    assert model.warm_up(seconds=-1) == calls(model) == 0


@pytest.mark.parametrize(
    ("written", "specialises"), [("true", False), ("false", True), (None, True)]
)
def test_the_executor_specialises_unless_the_configuration_forbids_it(
    path: Path, written: str | None, specialises: bool
) -> None:
    configuration = config()
    if written is not None:
        disabled = {"DISABLE_OPTIMIZED_EXECUTION": {"string_value": written}}
        configuration["parameters"] = disabled
    model = load(path, configuration)
    told: list[bool] = []
    module = model.module

    def observed(*tensors: torch.Tensor) -> Any:
        told.append(torch._C._get_graph_executor_optimize())
        return module(*tensors)

    model.module = observed
    model.run([request(2, 1)])

    assert told == [specialises]
    assert torch._C._get_graph_executor_optimize()


@pytest.mark.parametrize(
    ("names", "arguments", "order"),
    [
        (["b", "a"], ["a", "b"], ["a", "b"]),
        (["q__1", "p__0"], ["a", "b"], ["p__0", "q__1"]),
        (["a"], ["a", "b"], ["a"]),  # the rest may have defaults
    ],
)
def test_inputs_follow_the_order_of_forward(
    names: list[str], arguments: list[str], order: list[str]
) -> None:
    assert backend.input_order(names, arguments) == order


@pytest.mark.parametrize("names", [["b"], ["a", "c"], ["a__0", "b__2"], ["a__0", "c"]])
def test_inputs_that_fit_no_convention_are_refused(names: list[str]) -> None:
    with pytest.raises(backend.ModelError):
        backend.input_order(names, ["a", "b"])


@pytest.mark.parametrize(
    ("parameter", "environment", "expected"), [("3", "2", 3), (None, "2", 2), (None, None, 1)]
)
def test_threads_come_from_the_configuration_then_the_environment(
    parameter: str | None, environment: str | None, expected: int
) -> None:
    parameters = {"INTRA_OP_THREAD_COUNT": {"string_value": parameter}} if parameter else {}

    assert backend.threads({"parameters": parameters}, environment) == expected


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_number_of_threads_that_makes_no_sense_is_refused(value: str) -> None:
    with pytest.raises(backend.ModelError, match="is not a number of threads"):
        backend.threads({}, value)

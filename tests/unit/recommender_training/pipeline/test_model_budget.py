"""Size and latency of the exported graph: what a gate may hold, and what is in no artifact."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from recommender_training.artifact import manifest, triton
from recommender_training.export import latency, torchscript

ROUND = latency.ROUND_CALLS
ALL = latency.ROUNDS * ROUND
WARM_UP = 20


class Clock:
    """Gives the n-th call of the model the n-th time, in milliseconds; counts the calls."""

    def __init__(self, milliseconds: Iterator[float]) -> None:
        self._taken = milliseconds
        self._now = 0.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        if self.looks % 2 == 0:
            self._now += next(self._taken) / 1000
        return self._now

    @property
    def calls(self) -> int:
        return self.looks // 2


@pytest.fixture
def p99(trained: Any) -> Callable[[Clock], float]:
    return lambda clock: latency.p99_milliseconds(trained.staged, clock=clock)


def test_warming_up_counts_for_nothing(p99: Callable[[Clock], float]) -> None:
    clock = Clock(itertools.chain([50.0] * WARM_UP, itertools.repeat(2.0)))
    assert p99(clock) == pytest.approx(2.0)
    assert clock.calls == WARM_UP + ALL


def test_one_slow_call_in_a_hundred_is_seen(p99: Callable[[Clock], float]) -> None:
    often = itertools.cycle([9.0, 9.0, *[1.0] * 98])
    assert p99(Clock(often)) == pytest.approx(9.0, abs=0.1)


def test_a_burst_of_other_work_spoils_one_round_and_not_the_median(
    p99: Callable[[Clock], float],
) -> None:
    burst = [*[2.0] * (WARM_UP + ROUND), *[80.0] * ROUND]
    assert p99(Clock(itertools.chain(burst, itertools.repeat(2.0)))) == pytest.approx(2.0)


def test_graphs_are_timed_in_turn_so_that_a_burst_meets_them_alike(trained: Any) -> None:
    model = torchscript.load(triton.model_path(trained.staged))
    words = json.loads((trained.staged / "vocabulary.json").read_text())
    turn = WARM_UP + ROUND
    burst = [*[2.0] * 2 * turn, *[8.0] * 2 * turn]
    clock = Clock(itertools.chain(burst, itertools.repeat(2.0)))
    both = {"one": model, "other": model}
    told = latency.compare_latency(both, words, rounds=3, budget=60.0, clock=clock)
    assert clock.calls == 3 * 2 * turn
    for times in told.values():
        assert times == pytest.approx({"p50Milliseconds": 2.0, "p99Milliseconds": 2.0})


@pytest.mark.parametrize(("milliseconds", "calls"), [(125.0, 40), (2600.0, 2), (60_000.0, 2)])
def test_a_slow_model_is_called_as_often_as_the_budget_allows_and_once_at_least(
    p99: Callable[[Clock], float], milliseconds: float, calls: int
) -> None:
    clock = Clock(itertools.repeat(milliseconds))
    assert p99(clock) == pytest.approx(milliseconds)
    assert clock.calls == calls


def test_threads_are_those_of_before_whatever_happens(trained: Any) -> None:
    torch.set_num_threads(2)

    def broken() -> float:
        raise RuntimeError("no clock")

    with pytest.raises(RuntimeError, match="no clock"):
        latency.p99_milliseconds(trained.staged, clock=broken)
    assert torch.get_num_threads() == 2


def test_time_in_which_the_machine_does_other_work_does_not_count(
    trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = torch.jit.ScriptModule.__call__

    def waits_first(model: torch.jit.ScriptModule, *inputs: torch.Tensor) -> Any:
        time.sleep(0.005)
        return answer(model, *inputs)

    quiet = latency.p99_milliseconds(trained.staged, budget=0.05)
    monkeypatch.setattr(torch.jit.ScriptModule, "__call__", waits_first)
    assert latency.p99_milliseconds(trained.staged, budget=0.05) < quiet + 4


def test_the_size_is_that_of_the_graph_that_serves_and_is_in_the_artifact(trained: Any) -> None:
    size = triton.model_path(trained.staged).stat().st_size
    assert trained.result.metrics["modelMegabytes"] == pytest.approx(size / 1e6, abs=1e-6)
    kept = json.loads((trained.staged / "report.json").read_text())["metrics"]
    assert kept["modelMegabytes"] == trained.result.metrics["modelMegabytes"]
    assert manifest.verify_artifact(trained.staged)["metrics"] == kept


def test_the_time_is_told_and_in_no_file_of_the_artifact(trained: Any) -> None:
    assert trained.result.metrics["modelLatencyP99Milliseconds"] > 0
    for path in trained.staged.rglob("*"):
        assert not path.is_file() or b"modelLatency" not in path.read_bytes(), path

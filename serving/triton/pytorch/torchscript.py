"""A TorchScript model behind Triton's configuration of it; knows torch, not Triton.

Names follow NVIDIA's LibTorch backend, so that one model repository works with both: an
input is named like an argument of `forward` or `<name>__<index>`, an output
`<name>__<index>` (`triton-inference-server/pytorch_backend`, README, "Model configuration").
"""

from __future__ import annotations

import re
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

INDEXED = re.compile(r"^.+__(\d+)$")
DTYPES = {
    "TYPE_BOOL": torch.bool,
    "TYPE_UINT8": torch.uint8,
    "TYPE_INT8": torch.int8,
    "TYPE_INT16": torch.int16,
    "TYPE_INT32": torch.int32,
    "TYPE_INT64": torch.int64,
    "TYPE_FP16": torch.float16,
    "TYPE_FP32": torch.float32,
    "TYPE_FP64": torch.float64,
}

Tensors = Mapping[str, torch.Tensor]
"""Tensors by the names of config.pbtxt; the batch comes first where the model has one."""

# The profiling executor records the first calls and compiles on the next, for each rank and
# batch that it has not seen. Lengths stand for every variable dimension.
WARM_UP_CALLS = 4
WARM_UP_BATCHES = (1, 2)
WARM_UP_LENGTHS = (1, 2, 20)
WARM_UP_SECONDS = 5.0


class ModelError(Exception):
    """The model and its configuration do not fit, or an answer is not what it promises."""


class TorchScriptModel:
    """One loaded `model.pt` and how its arguments and results are named."""

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        """Load the module on the CPU.

        `config` is Triton's model configuration as JSON, whose numbers may be strings.
        """
        module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
        self.module: torch.jit.ScriptModule = module.eval()
        self.batched = int(config.get("max_batch_size", 0)) > 0
        self.specialise = parameter(config, "DISABLE_OPTIMIZED_EXECUTION") != "true"
        self.inputs = {entry["name"]: entry for entry in config["input"]}
        self.outputs = {entry["name"]: entry for entry in config["output"]}
        arguments = [a.name for a in self.module.forward.schema.arguments if a.name != "self"]
        self.order = input_order(list(self.inputs), arguments)
        self.indices = {name: output_index(name) for name in self.outputs}
        for entry in [*self.inputs.values(), *self.outputs.values()]:
            if entry["data_type"] not in DTYPES:
                raise ModelError(f"{entry['name']}: {entry['data_type']} is not supported")

    def __call__(self, inputs: Tensors) -> dict[str, torch.Tensor]:
        """One forward pass; each output is checked against the configuration."""
        # Without it the executor runs the graph as it is, and compiles nothing for new shapes.
        specialised = torch.jit.optimized_execution(self.specialise)  # type: ignore[attr-defined]
        with torch.inference_mode(), specialised:
            results = self.module(*(inputs[name] for name in self.order))
        if isinstance(results, torch.Tensor):
            results = (results,)
        return {
            name: self._checked(name, results, next(iter(inputs.values())).shape[0])
            for name in self.outputs
        }

    def _checked(self, name: str, results: Sequence[object], rows: int) -> torch.Tensor:
        index = self.indices[name]
        if index >= len(results):
            raise ModelError(f"{name}: forward returns only {len(results)} values")
        value, expected = results[index], DTYPES[self.outputs[name]["data_type"]]
        if not isinstance(value, torch.Tensor) or value.dtype != expected:
            kind = getattr(value, "dtype", type(value).__name__)
            raise ModelError(f"{name}: forward returned {kind}, config.pbtxt says {expected}")
        if self.batched and (value.dim() == 0 or value.shape[0] != rows):
            shape = list(value.shape)
            raise ModelError(f"{name}: shape {shape} for a batch of {rows}")
        return value.contiguous()

    def run_batch(self, requests: Sequence[Tensors]) -> list[dict[str, torch.Tensor]]:
        """Answer requests of equal shapes with one forward pass."""
        if len(requests) == 1:
            return [self(requests[0])]
        joined = {name: torch.cat([r[name] for r in requests]) for name in self.inputs}
        rows = [next(iter(r.values())).shape[0] for r in requests]
        split = {name: torch.split(value, rows) for name, value in self(joined).items()}
        return [{name: parts[i] for name, parts in split.items()} for i in range(len(requests))]

    def run(self, requests: Sequence[Tensors]) -> list[dict[str, torch.Tensor] | Exception]:
        """Answer each request or say what went wrong with it, and it alone."""
        answers: dict[int, dict[str, torch.Tensor] | Exception] = {}
        for group in self._groups(requests):
            try:
                results = self.run_batch([requests[i] for i in group])
                answers.update(zip(group, results, strict=True))
            except Exception as error:
                if len(group) == 1:
                    answers[group[0]] = error
                    continue
                # One bad request must not fail its neighbours.
                for i in group:
                    answers[i] = self.run([requests[i]])[0]
        return [answers[i] for i in range(len(requests))]

    def _groups(self, requests: Sequence[Tensors]) -> list[list[int]]:
        """Indices of the requests that one forward pass can answer together."""
        if not self.batched:
            return [[i] for i in range(len(requests))]
        groups: dict[Hashable, list[int]] = {}
        for i, request in enumerate(requests):
            key = tuple(tuple(request[name].shape[1:]) for name in self.inputs)
            groups.setdefault(key, []).append(i)
        return list(groups.values())

    def warm_up(self, seconds: float = WARM_UP_SECONDS) -> int:
        """Call the model until it is compiled, so that no user waits for it.

        Stops after `seconds`, so that a slow model is ready late but not never. Returns the
        number of calls; raises what the model raises.
        """
        deadline = time.monotonic() + seconds
        calls = 0
        for inputs in self._examples():
            for _ in range(WARM_UP_CALLS):
                if time.monotonic() > deadline:
                    return calls
                self(inputs)
                calls += 1
        return calls

    def _examples(self) -> Iterator[dict[str, torch.Tensor]]:
        variable = any(-1 in dims(entry) for entry in self.inputs.values())
        for batch in WARM_UP_BATCHES if self.batched else (None,):
            for length in WARM_UP_LENGTHS if variable else (1,):
                yield {
                    name: torch.ones(
                        ([batch] if batch else [])
                        + [length if size == -1 else size for size in dims(entry)],
                        dtype=DTYPES[entry["data_type"]],
                    )
                    for name, entry in self.inputs.items()
                }


def dims(entry: Mapping[str, Any]) -> list[int]:
    """The dimensions of an input or output without the batch; -1 is variable."""
    return [int(size) for size in entry["dims"]]


def input_order(names: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """The inputs in the order of the arguments of `forward`."""
    if set(names) <= set(arguments):
        order = sorted(names, key=arguments.index)
        if order != list(arguments[: len(order)]):
            raise ModelError(f"forward needs {list(arguments)}, config.pbtxt has {list(names)}")
        return order
    matches = [INDEXED.match(name) for name in names]
    if all(matches):
        order = sorted(names, key=output_index)
        if [output_index(name) for name in order] == list(range(len(order))):
            return order
    raise ModelError(
        f"inputs {list(names)} are neither arguments of forward {list(arguments)} "
        "nor named <name>__<index>"
    )


def output_index(name: str) -> int:
    """The number at the end of `<name>__<index>`."""
    match = INDEXED.match(name)
    if match is None:
        raise ModelError(f"{name}: must be named <name>__<index>")
    return int(match.group(1))


def threads(config: Mapping[str, Any], default: str | None) -> int:
    """Threads inside one operation, for each instance.

    The parameter that LibTorch reads goes before `default`, which the image's environment
    gives. One by default: instances are what uses the cores.
    """
    value = parameter(config, "INTRA_OP_THREAD_COUNT") or default or "1"
    if not value.isdecimal() or int(value) < 1:
        raise ModelError(f"{value!r} is not a number of threads")
    return int(value)


def parameter(config: Mapping[str, Any], name: str) -> str:
    """A parameter of the configuration; empty if it is not there."""
    return str(config.get("parameters", {}).get(name, {}).get("string_value", ""))

"""Serves `platform: "pytorch_libtorch"` models with Triton's Python backend.

Stands in, on CPUs, for NVIDIA's LibTorch backend, which no package registry carries. Triton
finds this folder by the name `pytorch` and runs this file once for each model instance.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import triton_python_backend_utils as pb_utils

# torch is imported where it is used: Triton also runs this file only to ask whether it
# completes configurations, and that must not cost a second start of torch.

THREADS_VARIABLE = "TRITON_TORCH_THREADS"
FILE = "model.pt"
#: Kernels for tensors without data, which torch.compile and torch.export need and TorchScript does
#: not. To register them takes a third of the start of torch, in the process of each model.
UNUSED = "torch._meta_registrations"


class TritonPythonModel:
    """The interface that Triton's Python backend calls."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load the version that Triton names; an error fails the load."""
        start_torch()
        import torch
        import torchscript  # type: ignore[import-not-found]  # lies beside this file

        config = json.loads(args["model_config"])
        torch.set_num_threads(torchscript.threads(config, os.environ.get(THREADS_VARIABLE)))
        path = Path(args["model_repository"]) / args["model_version"]
        path /= config.get("default_model_filename") or FILE
        self.model = torchscript.TorchScriptModel(path, config)
        try:
            calls = self.model.warm_up()
        except Exception as error:
            # Whether a model that refuses made-up inputs is any good, real ones must show.
            pb_utils.Logger.log_warn(f"{args['model_name']}: not warmed up: {error}")
        else:
            pb_utils.Logger.log_info(f"{args['model_name']}: warmed up by {calls} calls")

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """One response a request, in their order."""
        from torch.utils.dlpack import from_dlpack

        # By DLPack: this backend reads the memory of numpy 2 arrays wrongly.
        inputs = [
            {tensor.name(): from_dlpack(tensor.to_dlpack()) for tensor in request.inputs()}
            for request in requests
        ]
        answers = self.model.run(inputs)
        return [
            response(request, answer) for request, answer in zip(requests, answers, strict=True)
        ]


def start_torch() -> None:
    """Import torch without what is `UNUSED`; whatever imports that later gets it whole."""
    if "torch" in sys.modules:
        return
    sys.modules[UNUSED] = ModuleType(UNUSED)
    try:
        import torch  # noqa: F401
    finally:
        del sys.modules[UNUSED]


def response(request: Any, answer: Mapping[str, Any] | Exception) -> Any:
    """Triton's response: the outputs that the request wants, or the error of the model."""
    from torch.utils.dlpack import to_dlpack  # type: ignore[attr-defined]

    if isinstance(answer, Exception):
        message = f"PyTorch execute failure: {answer}"
        return pb_utils.InferenceResponse(error=pb_utils.TritonError(message))
    wanted = request.requested_output_names()
    return pb_utils.InferenceResponse(
        output_tensors=[
            pb_utils.Tensor.from_dlpack(name, to_dlpack(value))
            for name, value in answer.items()
            if name in wanted
        ]
    )

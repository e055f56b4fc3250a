"""Where and how the arithmetic of a fit is done: device, precision, compiled or not."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recommender_contract.resource.hyperparameters import Precision
from recommender_training.common.progress import say
from recommender_training.distributed.group import ONE_PROCESS, Group
from recommender_training.trainer import precision as precisions

#: cuBLAS sums in one order only with a workspace of fixed size, and reads this when it starts.
_CUBLAS = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@dataclass(frozen=True)
class Runtime:
    """How a model is fitted. The weights stay in single precision in either case."""

    device: torch.device
    precision: Precision  # never Auto
    #: The backend of torch.compile; None fits the model as it is.
    compiler: str | Callable[..., Any] | None = None

    def autocast(self) -> AbstractContextManager[None]:
        """Within it, products of matrices are rounded to 8 bits of mantissa, if so configured."""
        narrow = self.precision is Precision.BFLOAT16
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=narrow)

    def prepare(self, model: nn.Module) -> Callable[..., Tensor]:
        """Move the model to the device, in place; what is called in its stead shares its weights.

        Shapes are fixed but for the last batch of an epoch, so that two graphs are compiled.
        """
        model.to(self.device)
        if self.compiler is None:
            return model
        compiled: Callable[..., Tensor] = torch.compile(
            model, backend=self.compiler, dynamic=False
        )
        return compiled


def choose_runtime(precision: Precision, group: Group = ONE_PROCESS) -> Runtime:
    """A GPU where PyTorch sees one, with compiled code where that can be, else the CPU as it is.

    The images carry no compiler for CPUs. Processes of a group fit on the device that they meet
    on, and compile nothing: batch norm speaks to the peers in the middle of the model.
    """
    if torch.cuda.is_available():
        os.environ.setdefault(*_CUBLAS)
    if not group.alone:
        return Runtime(
            group.device, precisions.choose_precision(precision, group.device.type).chosen
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = precisions.choose_precision(precision, device.type).chosen
    if device.type == "cpu":
        return Runtime(device, precision)
    missing = _missing()
    if missing:
        say(f"train: on the GPU, not compiled: there is no {', no '.join(missing)}")
        return Runtime(device, precision)
    return Runtime(device, precision, compiler="inductor")


def _missing() -> list[str]:
    """Missing tools of those that inductor compiles with for a GPU.

    Triton builds a launcher in C for each kernel, with the compiler that it finds in this way
    (triton/runtime/build.py of 3.7), and ends the training where it finds none.
    """
    named = os.environ.get("CC")
    headers = Path(sysconfig.get_paths(scheme="posix_prefix")["include"]) / "Python.h"
    there = {
        "package triton": importlib.util.find_spec("triton") is not None,
        "C compiler": any(map(shutil.which, (named,) if named else ("gcc", "clang"))),
        "Python.h": headers.exists(),
    }
    return [name for name, found in there.items() if not found]

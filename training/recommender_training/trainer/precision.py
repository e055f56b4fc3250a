"""Precision of matrix products in a fit: the one that is set, or with Auto the faster one.

A step of the ranker consists of lookups, masks and narrow layers, not of large products, so
that BFloat16 gains nothing on a CPU even with instructions for it
(docs/lab/training-models.md). The choice follows from the kind of device alone. So all
processes of a group choose the same, and the same training on another processor does, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from recommender_contract.resource.hyperparameters import Precision
from recommender_training.common import processor
from recommender_training.common.processor import Processor

#: Flags of processors for products of BFloat16: x86-64 and Arm.
_FLAGS = ("amx_bf16", "avx512_bf16", "bf16", "svebf16")
#: The least compute capability of a GPU that multiplies in BFloat16.
_CAPABILITY = (8, 0)
_AUTO = {
    "cpu": "on CPUs the fit is not faster with BFloat16, with or without instructions for it",
    "cuda": "the fit was not measured with BFloat16 on a GPU",
}


@dataclass(frozen=True)
class Choice:
    """A precision and why it was chosen. Depends on the setting and the kind of device alone."""

    requested: Precision
    chosen: Precision
    reason: str

    def facts(self) -> dict[str, str]:
        """The entry of report and manifest."""
        return {
            "requested": self.requested.value,
            "chosen": self.chosen.value,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Device:
    """Device of a machine. Part of the log alone: it changes no artifact."""

    kind: str  # cpu or cuda
    name: str
    bfloat16: tuple[str, ...]  # instructions for it; none where it is emulated


def choose_precision(requested: Precision, kind: str) -> Choice:
    """The precision of a fit on a device of this kind, `cpu` or `cuda`; never Auto."""
    if requested is not Precision.AUTO:
        return Choice(requested, requested, "set in hyperparameters.precision")
    return Choice(requested, Precision.FLOAT32, _AUTO[kind])


def remark(choice: Choice, device: Device) -> str:
    """The choice for the log, with what the device has for BFloat16."""
    has = ", ".join(device.bfloat16) or "no instructions"
    text = f"{choice.chosen.value}: {choice.reason} ({device.name}: {has} for BFloat16)"
    if choice.chosen is Precision.BFLOAT16 and not device.bfloat16:
        text += "; it is emulated here and several times slower: set Float32 or Auto"
    return text


def device() -> Device:
    """Device of this process."""
    if torch.cuda.is_available():
        capability = torch.cuda.get_device_capability()
        native = (f"compute capability {capability[0]}.{capability[1]}",)
        return Device(
            "cuda", torch.cuda.get_device_name(), native if capability >= _CAPABILITY else ()
        )
    return cpu(processor.here())


def cpu(of: Processor) -> Device:
    """A processor to fit on."""
    return Device("cpu", of.name, tuple(flag for flag in _FLAGS if flag in of.flags))

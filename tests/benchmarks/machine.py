"""The machine that runs a benchmark."""

from __future__ import annotations

import os
import platform

from recommender_training.common import processor


def machine(restricted_to: str | None = None) -> str:
    """Return processor, cores, native instructions and Python, for a benchmark's JSON line.

    `restricted_to` names the newest instructions that the benchmark let its libraries use.
    """
    return named(processor.here(), os.cpu_count() or 1, restricted_to)


def named(of: processor.Processor, cores: int, restricted_to: str | None = None) -> str:
    """Say what a figure of this machine depends on."""
    can = " ".join(of.features) or f"{platform.machine()} without AVX2"
    if restricted_to is not None:
        can += f" (restricted to {restricted_to})"
    return f"{of.name}, {cores} cores, {can}, Python {platform.python_version()}"

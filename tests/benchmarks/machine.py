"""The machine that runs a benchmark."""

from __future__ import annotations

import os
import platform

from recommender_training.common import processor


def machine() -> str:
    """Return processor, cores, native instructions and Python, for a benchmark's JSON line."""
    return named(processor.here(), os.cpu_count() or 1)


def named(of: processor.Processor, cores: int) -> str:
    """Say what a figure of this machine depends on."""
    can = " ".join(of.features) or f"{platform.machine()} without AVX2"
    return f"{of.name}, {cores} cores, {can}, Python {platform.python_version()}"

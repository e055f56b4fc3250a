"""A benchmark says on which processor it ran."""

from __future__ import annotations

import os

from recommender_training.common import processor
from tests.benchmarks.machine import machine, named


def test_the_machine_of_a_benchmark_is_its_processor_with_what_it_does_natively() -> None:
    xeon = processor.parse("model name: Xeon\nflags: avx2 avx512f amx_tile avx512_bf16\n")
    assert named(xeon, 2).startswith("Xeon, 2 cores, AVX2 AVX-512 BF16 AMX, Python 3.")
    assert "without AVX2" in named(processor.parse(""), 1)
    assert machine() == named(processor.here(), os.cpu_count() or 1)


def test_a_restricted_benchmark_says_so_beside_what_the_processor_has() -> None:
    xeon = processor.parse("model name: Xeon\nflags: avx2 avx512f\n")
    assert "AVX2 AVX-512 (restricted to AVX2), Python" in named(xeon, 2, "AVX2")
    assert "(restricted to AVX2)" in machine("AVX2")
    assert "restricted" not in machine()

"""A benchmark says on which processor it ran."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from recommender_training.common import processor
from tests.benchmarks.machine import machine, named

ROOT = Path(__file__).parents[3]
BENCHMARKS = sorted((ROOT / "tests/benchmarks").glob("*.py"))
#: Run by another benchmark, whose line names the machine; or a kind of fixture.
PARTS = {
    "catalogue_graph.py", "operator_cluster.py", "serving_load.py", "serving_models.py",
    "training_arrays.py", "training_sides.py", "transformer_stub.py",
}  # fmt: skip
CALLED = re.compile(r"\bmachine\(")


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


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_a_benchmark_names_its_machine(path: Path) -> None:
    text = path.read_text()
    if '__name__ == "__main__"' in text:
        assert bool(CALLED.search(text)) != (path.name in PARTS)

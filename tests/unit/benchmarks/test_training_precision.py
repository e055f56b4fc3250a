"""The training benchmark uses the precision that is fast here, and compares with its own aims."""

from __future__ import annotations

import pytest

from recommender_training.common.processor import parse
from tests.benchmarks.training_precision import chosen, native, verify

XEON = parse("model name: Xeon\nflags: avx2 avx512f avx512_bf16 amx_tile\n")
CORE = parse("model name: Core\nflags: avx2 avx512f\n")


def test_bfloat16_is_native_where_the_processor_and_its_libraries_may_use_it() -> None:
    assert native(XEON, only_avx2=False)
    assert not native(XEON, only_avx2=True)
    assert not native(CORE, only_avx2=False)


@pytest.mark.parametrize(
    ("asked", "has", "found"),
    [
        ("Auto", True, "BFloat16"),
        ("Auto", False, "Float32"),
        ("Float32", True, "Float32"),
        ("BFloat16", False, "BFloat16"),
    ],
)
def test_auto_is_the_faster_precision_and_a_set_one_stays(
    asked: str, has: bool, found: str
) -> None:
    assert chosen(asked, has) == found


def measured(kernels: str, float32: float, bfloat16: float) -> dict[str, object]:
    return {"kernels": kernels, "float32_gflops": float32, "bfloat16_gflops": bfloat16}


def test_products_as_expected_are_verified() -> None:
    verify("ours", measured("AVX512", 100.0, 800.0), True, only_avx2=False)
    verify("ours", measured("AVX2", 60.0, 2.0), False, only_avx2=True)
    verify("ours", measured("AVX2", 60.0, 2.0), False, only_avx2=False)


@pytest.mark.parametrize(
    ("found", "has", "only"),
    [
        (measured("AVX512", 60.0, 2.0), False, True),  # PyTorch's own kernels are not restricted
        (measured("AVX2", 60.0, 800.0), False, True),  # oneDNN is not
        (measured("AVX512", 100.0, 90.0), True, False),  # BFloat16 would be chosen, and is slower
    ],
)
def test_a_side_that_multiplies_otherwise_is_refused_by_name(
    found: dict[str, object], has: bool, only: bool
) -> None:
    with pytest.raises(RuntimeError, match="recbole: "):
        verify("recbole", found, has, only_avx2=only)

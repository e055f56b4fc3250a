"""In which precision the training benchmark runs, and what it has to reach, by processor.

Our DeepFM and DIN multiply in BFloat16 where the processor has instructions for it, and in Float32
elsewhere, where BFloat16 is emulated. RecBole runs as it is, in Float32. A processor without these
instructions is imitated on one that has them: the libraries of all sides use AVX2 at most. Each
side multiplies matrices before the benchmark, which shows that they do.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recommender_training.common.processor import Processor

#: Settings of oneDNN, of PyTorch's own kernels and of MKL, for both sides.
AVX2 = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
_PRODUCTS = Path(__file__).parent / "peers" / "matrix_products.py"
_BARE = {"bare_ratio": 0.95}
_NATIVE = {"deepfm_ratio": 3.0, "din_ratio": 2.5} | _BARE
_OTHERS = {"deepfm_ratio": 1.5, "din_ratio": 1.8} | _BARE


def native(of: Processor, only_avx2: bool) -> bool:
    """Whether products of BFloat16 have instructions here."""
    return "BF16" in of.features and not only_avx2


def chosen(asked: str, has_bfloat16: bool) -> str:
    """The precision of our sides: as asked, and for `Auto` the faster one."""
    if asked != "Auto":
        return asked
    return "BFloat16" if has_bfloat16 else "Float32"


def targets(has_bfloat16: bool) -> dict[str, float]:
    """The least ratio of each pair."""
    return _NATIVE if has_bfloat16 else _OTHERS


def products(python: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """What `matrix_products` measures with this Python in this environment."""
    done = subprocess.run(
        [python, "-W", "ignore", str(_PRODUCTS)],
        capture_output=True, text=True, check=True, env=os.environ | environment,
    )  # fmt: skip
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def verify(side: str, found: Mapping[str, Any], has_bfloat16: bool, only_avx2: bool) -> None:
    """Raise RuntimeError if a side does not multiply as the benchmark takes it to.

    A library may ignore a setting, or its name may change.
    """
    if only_avx2 and found["kernels"] != "AVX2":
        raise RuntimeError(f"{side}: kernels of {found['kernels']} in spite of {AVX2}")
    if (found["bfloat16_gflops"] > found["float32_gflops"]) != has_bfloat16:
        text = f"{side}: with{'' if has_bfloat16 else 'out'} instructions for BFloat16"
        raise RuntimeError(f"{text} its products should be otherwise: {dict(found)}")

"""In which precision the training benchmark runs, and what it has to reach, by processor.

Our DeepFM and DIN multiply in BFloat16 where the processor has instructions for it, and in Float32
elsewhere, where BFloat16 is emulated. RecBole runs as it is, in Float32. A processor without these
instructions is imitated on one that has them: the libraries of all sides use AVX2 at most.
"""

from __future__ import annotations

from recommender_training.common.processor import Processor

#: Settings of oneDNN, of PyTorch's own kernels and of MKL, for both sides.
AVX2 = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
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

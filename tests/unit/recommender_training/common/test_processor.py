"""A processor says what it is and what it multiplies with."""

from __future__ import annotations

import pytest

from recommender_training.common.processor import UNKNOWN, parse

XEON = "processor\t: 0\nmodel name\t: Xeon\nflags\t\t: fpu avx2 avx512f avx512_bf16 amx_tile\n\n"
CORE = "model name : Core\nflags : fpu avx2\n"
ARM = "processor : 0\nFeatures : fp asimd svebf16 bf16\n"


@pytest.mark.parametrize(
    ("text", "name", "features"),
    [
        (XEON, "Xeon", ("AVX2", "AVX-512", "BF16", "AMX")),
        (CORE + "\n" + XEON, "Core", ("AVX2",)),  # the first processor
        (ARM, UNKNOWN, ("BF16",)),
        ("", UNKNOWN, ()),
        ("flags", UNKNOWN, ()),
    ],
)
def test_the_name_and_the_instructions_of_a_processor_are_read(
    text: str, name: str, features: tuple[str, ...]
) -> None:
    found = parse(text)
    assert (found.name, found.features) == (name, features)

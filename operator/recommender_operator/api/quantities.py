"""Quantities of Kubernetes: `500m` cores, `2Gi` of memory."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Annotated, Any

import pydantic
from pydantic import Field

#: A quantity that is not negative, without an exponent.
PATTERN = r"^[0-9]+(\.[0-9]+)?(m|k|[MGTPE]|[KMGTPE]i)?$"
MAX_LENGTH = 20
#: Bytes of a mebibyte.
MEBIBYTE = 1024 * 1024
_DECIMAL = {"": Decimal(1), "m": Decimal("0.001"), "k": Decimal(1000)}
_DECIMAL |= {suffix: Decimal(1000) ** power for power, suffix in enumerate("MGTPE", start=2)}
_BINARY = {f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)}
_FACTORS = _DECIMAL | _BINARY


def _text(value: Any) -> Any:
    """Return an integer as text; YAML has `cpu: 2` without quotes."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


#: A quantity as text, read from a string or an integer.
Quantity = Annotated[
    str,
    Field(pattern=PATTERN, max_length=MAX_LENGTH),
    pydantic.BeforeValidator(_text),
    pydantic.WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
            "pattern": PATTERN,
            "maxLength": MAX_LENGTH,
        }
    ),
]


def number(quantity: str) -> Decimal:
    """Return a quantity as a number of cores or bytes.

    Raises:
        ValueError: it does not match `PATTERN`.
    """
    if re.fullmatch(PATTERN, quantity) is None:
        raise ValueError(f"{quantity!r} is not a quantity, such as 500m or 2Gi")
    digits = quantity.rstrip("mkKMGTPEi")
    return Decimal(digits) * _FACTORS[quantity[len(digits) :]]


def mebibytes(size: Decimal) -> str:
    """Return a number of bytes as a quantity, rounded up to whole mebibytes."""
    whole = math.ceil(size / MEBIBYTE)
    return f"{whole // 1024}Gi" if whole % 1024 == 0 else f"{whole}Mi"

"""Tensors as the buffers of an exported model: without a copy where none is needed."""

from __future__ import annotations

from torch import Tensor


def alone(value: Tensor) -> Tensor:
    """The same values without a gradient, and without what else their storage holds.

    An archive has the whole storage of a tensor, also that of a part of a table. A tensor that is
    all of its storage stays where it is: with a million items a copy is 128 MB.
    """
    found = value.detach()
    return found if found.untyped_storage().nbytes() == found.nbytes else found.clone()

"""Tensors that come and go do not cost pages of the kernel each time."""

from __future__ import annotations

import resource

import torch

from recommender_training.trainer import memory

ROUNDS, TENSORS, NUMBERS = 20, 4, 1 << 20
PAGE = 4096


def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def allocate() -> None:
    for tensor in [torch.empty(NUMBERS) for _ in range(TENSORS)]:
        tensor.fill_(1.0)


def test_memory_is_used_again() -> None:
    assert memory.keep_freed(), "this is glibc, which the images have, too"
    for _ in range(10):  # until the heap has its size
        allocate()
    before = faults()
    for _ in range(ROUNDS):
        allocate()
    asked = ROUNDS * TENSORS * NUMBERS * 4 // PAGE
    assert faults() - before < asked / 20

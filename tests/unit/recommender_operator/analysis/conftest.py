"""Caches for the bounds of counts, which simulated rollouts repeat."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from unittest import mock

import pytest

from recommender_operator.analysis import sequential


@pytest.fixture(autouse=True, scope="session")
def _bounds_are_remembered() -> Iterator[None]:
    remembered = functools.cache(sequential.upper_bound)
    with mock.patch.object(sequential, "upper_bound", remembered):
        yield

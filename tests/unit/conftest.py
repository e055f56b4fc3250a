"""Collection without garbage collection."""

from __future__ import annotations

import gc

import pytest

# What is imported stays until the end: looking through it for garbage, again and again as it
# grows and then in every test, takes a tenth of a worker's time.
gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()
    gc.enable()

"""Collection without garbage collection, the tests of trainings in one process, and logs of one
test alone.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator

import pytest

# What is imported stays until the end: looking through it for garbage, again and again as it
# grows and then in every test, takes a tenth of a worker's time.
gc.disable()


#: Their tests share data sets and models, which each process makes anew.
TRAININGS = ("benchmarks", "recommender_training")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of trainings first, so that few processes make what they share.

    A process begins with a part of the tests that lie together. Inside each part the order stays
    random.
    """
    items.sort(key=lambda item: item.nodeid.split("/")[2] not in TRAININGS)


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Remove what a test's process set up for its logs: it writes to a stream that is closed."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    for handler in root.handlers[:]:
        # Pytest's own are of other classes.
        if type(handler) is logging.StreamHandler:
            root.removeHandler(handler)

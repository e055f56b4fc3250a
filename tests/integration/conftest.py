"""What tests against the real API server share."""

from __future__ import annotations

import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from recommender_operator.controller.client import OfficialKube
from tests.integration import operator_api_rig as rig

#: Tests that share a server or a training, the longest ones first.
ROOMS = ("processes", "cluster", "served", "training", "collector")
SERVED = ("test_transformer", "test_triton_contract", "test_report_in_browser")
#: Reads the log that the other tests of the API server wrote.
LOOKS_BACK = "test_every_right_is_used_and_no_request_is_denied"


def room_of(nodeid: str) -> str:
    """Return the room of a test in this folder."""
    path = pathlib.PurePath(nodeid.partition("::")[0])
    if path.stem == "test_distributed_training":
        return "processes"
    if path.parent.name in ("training", "collector"):
        return path.parent.name
    return "served" if path.stem.startswith(SERVED) else "cluster"


class ByRoom(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps each room in one process.

    The tests of the API server mostly wait, those of trainings compute: beside one another they
    take little longer than alone. (Pytest 9.2 hides the groups of xdist 3.8's own `loadgroup`.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return room_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByRoom | None:
    return ByRoom(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rooms in their order; inside each the order stays random, but for what looks back."""
    items.sort(key=lambda item: (ROOMS.index(room_of(item.nodeid)), item.name == LOOKS_BACK))


@pytest.fixture
def namespace() -> str:
    """A namespace of the test's own; without a controller manager nothing could delete it."""
    return rig.new_namespace()


@pytest.fixture
async def kube() -> AsyncIterator[OfficialKube]:
    """The operator's own client, as an administrator."""
    result = rig.open_kube(rig.kubeconfig())
    yield result
    await result.close()

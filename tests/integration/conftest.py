"""What tests against the real API server share."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from recommender_operator.adapters.official import OfficialKube
from tests.integration import operator_api_rig as rig

HERE = pathlib.Path(__file__).parent
#: Need neither the API server nor much of what the others share: a process of their own.
SERVED = ("test_transformer", "test_triton_contract", "test_report_in_browser")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares a server, or what has to be trained first, in one of xdist's processes.

    The tests of the API server mostly wait, those of trainings compute: beside one another they
    take little longer than alone.
    """
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group(_group(item.path)))


def _group(path: pathlib.Path) -> str:
    if path.parent != HERE:
        return path.parent.name
    return "served" if path.stem.startswith(SERVED) else "cluster"


@pytest.fixture
def namespace() -> str:
    """A namespace of the test's own; without a controller manager nothing could delete it."""
    return rig.new_namespace()


@pytest.fixture
def kube() -> Iterator[OfficialKube]:
    """The operator's own client, as an administrator."""
    result = rig.open_kube(rig.kubeconfig())
    yield result
    result.close()

"""What tests against the real API server share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recommender_operator.adapters.official import OfficialKube
from tests.integration import operator_api_rig as rig


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

"""Images of one layout share layers; archives leave out what the reader has."""

from __future__ import annotations

import pytest

from tests.cluster.buildah import index_settings
from tests.cluster.errors import ClusterError
from tests.cluster.images import check_size
from tests.cluster.recipes import OPERATOR, TRAINING


def test_an_operator_image_at_its_limit_is_refused_with_both_figures() -> None:
    check_size(OPERATOR, 249_999_999)
    check_size(TRAINING, 10_000_000_000)

    with pytest.raises(ClusterError, match="operator has 250 MB unpacked; the limit is 250 MB"):
        check_size(OPERATOR, 250_000_000)


@pytest.mark.parametrize(
    ("environment", "configured", "expected"),
    [
        ({}, "", {}),
        ({}, "c", {"PIP_INDEX_URL": "c", "UV_DEFAULT_INDEX": "c"}),
        ({"PIP_INDEX_URL": "p"}, "c", {"PIP_INDEX_URL": "p", "UV_DEFAULT_INDEX": "p"}),
        ({"UV_DEFAULT_INDEX": "u"}, "", {"UV_DEFAULT_INDEX": "u"}),
        ({"UV_INDEX_URL": "u"}, "c", {"PIP_INDEX_URL": "c", "UV_DEFAULT_INDEX": "u"}),
    ],
)
def test_a_build_uses_the_package_index_of_the_machine(
    environment: dict[str, str], configured: str, expected: dict[str, str]
) -> None:
    assert index_settings(environment, configured) == expected

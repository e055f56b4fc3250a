"""A transformer to call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.recommender_serving.serving_served import Served


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A transformer that is ready; the server is imported for the tests that need it alone."""
    from tests.unit.recommender_serving import serving_served

    served = await serving_served.Served.opened(tmp_path)
    async with served.http:
        yield served

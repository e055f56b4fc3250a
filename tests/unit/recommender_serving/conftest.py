"""Property tests take the time that a busy machine gives them; a transformer to call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

if TYPE_CHECKING:
    from tests.unit.recommender_serving.serving_served import Served


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A transformer that is ready; KServe is imported for the tests that need it alone."""
    from tests.unit.recommender_serving import serving_served

    served = await serving_served.Served.opened(tmp_path)
    async with served.http:
        yield served

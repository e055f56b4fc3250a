"""How hard the properties are tried, and collection without garbage collection.

`HYPOTHESIS_PROFILE=thorough` tries many examples of each property; the default, `quick`, tries
few, and other ones in every run.
"""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no defect: examples have no deadline.
for name, examples in (("quick", 20), ("thorough", 1000)):
    settings.register_profile(
        name,
        deadline=None,
        max_examples=examples,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# What is imported stays until the end: looking through it for garbage, again and again as it
# grows and then in every test, takes a tenth of a worker's time.
gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()
    gc.enable()

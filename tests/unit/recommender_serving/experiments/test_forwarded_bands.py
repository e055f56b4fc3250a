"""The receiver forwards the bands by which it divides the users."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from recommender_serving.experiments.forwarder import ForwardedCall
from tests.unit.recommender_serving.serving_forwards import asking, trial
from tests.unit.recommender_serving.serving_versions import CANDIDATE


async def test_the_candidate_is_told_the_bands_that_divide_the_users(tmp_path: Path) -> None:
    divided = dataclasses.replace(trial(), bands={"age": (18.0, 25.5), "income": (1e5,)})
    async with asking(tmp_path) as of:
        for each in (trial(), divided):
            await of.forwarder.post(
                ForwardedCall(CANDIDATE, each), "/v1", {}, b"{}", lambda it: it
            )
        plain, banded = (headers for headers, _ in of.site.requests)
    assert "x-recommender-bands" not in plain
    assert banded["x-recommender-bands"] == "age=18,25.5;income=100000"

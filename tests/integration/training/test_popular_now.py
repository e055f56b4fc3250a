"""Where items live a day, a version keeps up with what is popular now."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recommender_training.artifact import triton
from tests.worlds import product, protocol
from tests.worlds.every import WORLDS

pytestmark = pytest.mark.integration

#: Of the value of the lists by the popularity of the last hour.
MOST_OF_IT = 0.85


def test_lists_of_a_version_that_is_days_old_are_as_good_as_what_is_popular_now(
    tmp_path: Path,
) -> None:
    # Given a shop whose items live a day, and a version of it,
    world = WORLDS["day-life"](1, "small")
    version = product.train(world, tmp_path, threads=1)
    config = triton.model_path(version.artifact).parents[1] / "config.pbtxt"
    assert "trend_items" in config.read_text()
    assert version.report["retrieval"]["order"]["weights"]["trend"] > 0

    # when users ask for a week, and the store counts their events,
    answers = product.answers(version, world)

    # then lists have items that came after the training,
    chances = [request.chances for request in world.requests]
    born = [world.born[answer.items] for answer in answers]
    week = [at for at, each in enumerate(world.requests) if each.time > world.cut + 86_400]
    assert np.mean([(born[at] > world.cut).any() for at in week]) > 0.9
    assert all((born[at] <= world.requests[at].time).all() for at in week), "that exist"
    # and are as good as those of a counter.
    hour = protocol.PEERS["popular-hour"]
    scorer = hour.fit(world.log.before(world.cut), len(world.born), hour.grid[0])
    theirs = protocol.values(
        world,
        scorer,
        world.requests,
        [protocol.known(world.log, each.user, each.time) for each in world.requests],
    )
    mine = [protocol.worth(each.items, of) for each, of in zip(answers, chances, strict=True)]
    assert np.mean(mine) > MOST_OF_IT * theirs.mean()

"""An answer that explores says so to the collector, and to nobody else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from recommender_contract.events import MAX_ITEMS
from recommender_contract.ids import MAX_INTEGER, hashed
from recommender_serving.artifact.loader import load
from recommender_serving.domain.types import Ranking
from recommender_serving.impressions.collector_client import Receipt
from recommender_serving.impressions.impression_events import Origin, takes_draw
from recommender_serving.impressions.reporter import Bounds, Impressions
from recommender_serving.ranking.answer_cache import Bounds as CacheBounds
from recommender_serving.ranking.exploration import Chance, Explorer
from tests.unit.recommender_serving.serving_asking import infer, predict
from tests.unit.recommender_serving.serving_fakes import Parts, giving
from tests.unit.recommender_serving.serving_samples import TEXTS, write_text_files
from tests.unit.recommender_serving.serving_served import Served
from tests.unit.recommender_serving.serving_versions import (
    CANDIDATE,
    OURS,
    PREDICT,
    RECEIVER,
    STAMP,
    THEIRS,
    pair,
)

BEST = Ranking(tuple(map(hashed, TEXTS)), tuple(1 - i / 10 for i in range(len(TEXTS))))


class Last:
    """Draws the last item of a pool, always or never."""

    def __init__(self, *, always: bool = True) -> None:
        self.always = always
        self.draws = 0

    def random(self) -> float:
        return 0.0 if self.always else 0.99

    def randrange(self, stop: int, /) -> int:
        self.draws += 1
        return stop - 1


class Desk:
    """A transformer with ids that are texts, and the bodies that it reports."""

    def __init__(
        self,
        folder: Path,
        chance: Chance | None,
        share: float = 1.0,
        cache: CacheBounds | None = None,
    ) -> None:
        folder.mkdir()
        write_text_files(folder)
        pool = 0 if chance is None else 4
        self.parts = Parts(
            folder, giving(BEST), giving(BEST), artifact=load(folder), cache=cache, pool=pool
        )
        self.bodies: list[bytes] = []
        self.explorer = (
            None if chance is None else Explorer(0.2, chance, self.parts.metrics.explored)
        )
        self.impressions = Impressions(
            self._post,
            Origin("movies", "movies-1", "movies-1/0f", predicts=True),
            share,
            self.parts.artifact.vocabulary.features,
            self.parts.metrics.reported,
            Bounds(gather_seconds=0),
        )

    def _post(self, body: bytes) -> Receipt:
        self.bodies.append(body)
        return Receipt(len(orjson.loads(body)), 0)

    async def ask(self, *instances: dict[str, Any]) -> httpx.Response:
        served = await Served.opened(Path(), self.parts, self.impressions, explorer=self.explorer)
        async with served.http:
            return await served.http.post(
                PREDICT, json={"instances": list(instances)}, headers={"x-request-id": "page-7"}
            )

    async def reported(self) -> list[dict[str, Any]]:
        self.impressions.close()
        async with asyncio.timeout(60):
            await self.impressions.run()
        return [each["data"] for body in self.bodies for each in orjson.loads(body)]

    @property
    def explored(self) -> float | None:
        return self.parts.value("transformer_explored_total")


async def test_the_impression_has_the_items_that_could_have_been_shown(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "a", Last())
    told = (await desk.ask({"user_id": "ada", "top_n": 3})).json()["predictions"][0]
    (event,) = await desk.reported()
    assert told["items"] == event["items"] == [*TEXTS[:2], TEXTS[5]]
    assert event["explored"] == {"place": 2, "pool": TEXTS[2:6]}
    # The score is what the model says of the item that is shown.
    assert told["scores"] == event["probabilities"] == pytest.approx([1.0, 0.9, 0.5])
    assert desk.explored == 1
    assert told.keys() == {
        "items", "scores", "score_kind", "source", "version", "request_id",
    }  # fmt: skip


async def test_without_exploration_impressions_are_the_same_to_the_byte(tmp_path: Path) -> None:
    asked = [{"user_id": "ada", "top_n": 3}, {"user_id": "eve", "top_n": 2}]
    answers, bodies = [], []
    for name, chance in (("off", None), ("not drawn", Last(always=False))):
        desk = Desk(tmp_path / name, chance)
        answers.append((await desk.ask(*asked)).content)
        await desk.reported()
        bodies.append(desk.bodies)
        assert desk.explored == 0
    assert answers[0] == answers[1]
    assert bodies[0] == bodies[1]
    assert b"explored" not in bodies[0][0]


@pytest.mark.parametrize(
    ("asked", "share"),
    [
        ({"user_id": "smoke.recommender.dev"}, 1.0),
        ({"session": [{"item": TEXTS[0]}], "session_id": "s"}, 1.0),
        ({"user_id": "ada"}, 0.0),
    ],
    ids=["smoke inference", "no user", "not in the share"],
)
async def test_an_answer_whose_impression_nobody_gets_does_not_explore(
    tmp_path: Path, asked: dict[str, Any], share: float
) -> None:
    desk = Desk(tmp_path / "a", Last(), share)
    await desk.ask({"top_n": 2, **asked})
    assert (await desk.reported(), desk.explored) == ([], 0)


async def test_an_answer_to_seeds_does_not_explore(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "a", Last())
    await desk.ask({"user_id": "ada", "seed_items": [TEXTS[0]], "top_n": 2})
    assert desk.explored == 0


async def test_what_the_cache_keeps_is_not_drawn(tmp_path: Path) -> None:
    chance = Last()
    desk = Desk(tmp_path / "a", chance, cache=CacheBounds(seconds=5, entries=9, bytes=2**20))
    told = []
    for chance.always in (True, False):
        reply = await desk.ask({"user_id": "ada", "top_n": 3})
        told.append(reply.json()["predictions"][0]["items"])
    assert told == [[*TEXTS[:2], TEXTS[5]], TEXTS[:3]]
    assert [("explored" in each, each["items"]) for each in await desk.reported()] == [
        (True, told[0]),
        (False, told[1]),
    ]
    assert desk.explored == 1
    assert desk.parts.value("transformer_cache_lookups_total", outcome="hit") == 1


async def test_each_instance_of_a_call_has_a_draw_of_its_own(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "a", random.Random(3))
    await desk.ask(*[{"user_id": f"u{number}", "top_n": 2} for number in range(60)])
    drawn = [each["items"][-1] for each in await desk.reported() if "explored" in each]
    assert set(drawn) == set(TEXTS[1:5])
    assert desk.explored == len(drawn) < 30


async def test_the_version_that_answers_explores_and_reports_it(tmp_path: Path) -> None:
    async with pair(tmp_path, chance=Last()) as both:
        told = (await predict(both, OURS[0], THEIRS[0])).json()["predictions"]
        await infer(both, THEIRS[1])
        ours, theirs = await both.receiver.desk.reported(), await both.candidate.desk.reported()
        counts = [
            version.value("transformer_explored_total")
            for version in (both.receiver, both.candidate)
        ]
    assert [each["items"] for each in told] == [[1, 3], [21, 23]]
    for events, version, best in ((ours, RECEIVER, 1), (theirs, CANDIDATE, 21)):
        for each in events:
            assert (each["version"], each["arm"]) == (version, version)
            assert each["explored"] == {"place": 1, "pool": [best + 1, best + 2]}
            assert STAMP.items() <= each.items()
    assert (len(ours), len(theirs), counts) == (1, 2, [1, 2])


@pytest.mark.parametrize(
    "ranked",
    [(1, 2, MAX_INTEGER + 1), (1, MAX_INTEGER + 1, 2), (MAX_INTEGER + 1, 1, 2)],
    ids=["of the pool", "of the last place", "of a place before"],
)
async def test_an_answer_with_an_id_that_the_collector_refuses_is_not_drawn(
    tmp_path: Path, ranked: tuple[int, ...]
) -> None:
    chance = Last()
    strange = Ranking(ranked, (0.9, 0.8, 0.7))
    async with pair(tmp_path, lambda: giving(strange), chance=chance) as both:
        (told,) = (await predict(both, THEIRS[0])).json()["predictions"]
        (event,) = await both.candidate.desk.reported()
        count = both.candidate.value("transformer_explored_total")
    assert told["items"] == [*ranked[:2]]
    assert "explored" not in event
    assert (count, chance.draws) == (0, 0)


@pytest.mark.parametrize(
    ("items", "pool", "takes"),
    [
        (range(MAX_ITEMS), (MAX_ITEMS - 1, MAX_ITEMS), True),
        (range(MAX_ITEMS + 1), (MAX_ITEMS, MAX_ITEMS + 1), False),
        ((0, MAX_INTEGER), (MAX_INTEGER, 1), True),
        ((0, MAX_INTEGER + 1), (MAX_INTEGER + 1, 1), False),
        ((0, 1), (1, MAX_INTEGER + 1), False),
        (("a", "b"), ("b", "c\n"), False),
    ],
)
def test_an_impression_takes_only_a_draw_that_the_collector_takes_whole(
    items: Sequence[int] | Sequence[str], pool: Sequence[int] | Sequence[str], takes: bool
) -> None:
    assert takes_draw(items, pool) is takes

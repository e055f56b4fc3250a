"""Lets users ask and act, several at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from recommender_client.clients import AsyncClient
from recommender_client.errors import ClientError, Unavailable
from recommender_client.event_clients import AsyncEventClient
from recommender_client.events import UserEvent
from recommender_client.messages import Query, Recommendation
from recommender_client.receipts import Undelivered
from recommender_client.simulation.behaviour import Behaviour
from recommender_client.simulation.tally import Tally
from recommender_client.values import Id


@dataclass(frozen=True, slots=True)
class Play:
    """Who asks, how often, and for how much."""

    users: int
    answers: int  # of all users together
    at_once: int = 8
    top_n: int = 10
    rate: float | None = None  # answers a second; as many as come if None
    name: str = "{}"  # of a user, by number; a number if it is "{}"
    impressions: bool = False  # reported here, not by the serving path


class Player:
    """Plays one simulation and counts."""

    def __init__(
        self,
        client: AsyncClient,
        collector: AsyncEventClient | None,
        behaviour: Behaviour,
        play: Play,
        progress: Callable[[Tally], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._collector = collector
        self._behaviour = behaviour
        self._play = play
        self._progress = progress
        self._left = play.answers
        self.tally = Tally()

    async def run(self) -> Tally:
        """Play to the end; what fails is counted.

        Raises:
            InvalidQuery, InvalidEvents: the endpoint or the collector refuses what it gets.
        """
        chance = random.Random(self._behaviour.seed)  # noqa: S311 - not a secret
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._play.at_once):
                    own = random.Random(chance.getrandbits(64))  # noqa: S311
                    group.create_task(self._one(own))
        except* ClientError as errors:
            raise errors.exceptions[0] from None
        return self.tally

    async def _one(self, chance: random.Random) -> None:
        pause = self._play.at_once / self._play.rate if self._play.rate else 0.0
        while self._left > 0:
            self._left -= 1
            if pause:  # Poisson arrivals
                await asyncio.sleep(chance.expovariate(1 / pause))
            await self._turn(self._user(chance), chance)
            self._progress(self.tally)

    def _user(self, chance: random.Random) -> Id:
        number = chance.randrange(self._play.users)
        return number if self._play.name == "{}" else self._play.name.format(number)

    async def _turn(self, user: Id, chance: random.Random) -> None:
        try:
            answer = await self._client.recommend(Query(user_id=user, top_n=self._play.top_n))
        except Unavailable:
            self.tally.failed += 1
            return
        acts = self._behaviour.acts(user, answer.items, chance)
        self.tally.arm(arm_of(answer)).add(
            user,
            len(acts),
            sum(bought for _, bought in acts),
            self._behaviour.expected_clicks(user, answer.items),
            model=answer.source == "model",
        )
        await self._send(_events(answer, acts, chance, impressions=self._play.impressions))

    async def _send(self, events: list[UserEvent]) -> None:
        if self._collector is None or not events:
            return
        try:
            receipt = await self._collector.send(*events)
        except Undelivered as error:
            self.tally.undelivered += len(error.events)
        else:
            self.tally.undelivered += len(receipt.rejected)


def arm_of(answer: Recommendation) -> str:
    """Return the arm of an answer; outside of an experiment, the version that answered."""
    arm: str | None = getattr(answer, "arm", None)
    return arm or answer.version


def _events(
    answer: Recommendation,
    acts: list[tuple[Id, bool]],
    chance: random.Random,
    *,
    impressions: bool,
) -> list[UserEvent]:
    found = [answer.impression()] if impressions and answer.items else []
    for item, bought in acts:
        found.append(answer.click(item))
        if bought:
            found.append(answer.purchase(item, round(chance.lognormvariate(2.5, 0.7), 2)))
    return found

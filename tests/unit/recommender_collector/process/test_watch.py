"""A pod whose store may lose events stays unready until a look at the settings finds no fault."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_collector.log.durability import NotDurable
from recommender_collector.process.serve import Watch


class Log:
    """An end of a log in Kafka: whether its settings are safe, and which looks were at them."""

    def __init__(self) -> None:
        self.is_safe = False
        self.looks: list[bool] = []

    async def check(self, *, settings: bool) -> None:
        self.looks.append(settings)
        if settings and not self.is_safe:
            raise NotDurable("set 3 and 2")


async def test_a_fault_of_the_settings_stays_until_a_look_at_them_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unused: Any = None
    log: Any = Log()
    watch = Watch(unused, unused, unused, unused, log)

    async def measure() -> None:
        """Nothing to measure."""

    monkeypatch.setattr(watch, "_measure", measure)
    await watch._look_at(settings=False)
    with pytest.raises(NotDurable):
        await watch._look_at(settings=True)
    with pytest.raises(NotDurable):
        await watch._look_at(settings=False)
    log.is_safe = True
    await watch._look_at(settings=False)
    await watch._look_at(settings=False)
    assert log.looks == [False, True, True, True, False]

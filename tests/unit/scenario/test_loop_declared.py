"""The context that the loop's shop declares is the one that its users send."""

from __future__ import annotations

import itertools
from typing import Any

from recommender_client import events
from recommender_collector.domain.declaration import Declaration
from recommender_collector.domain.validation import Rules, event_of
from recommender_simulate.arguments import parser
from tests.scenario import loop, loop_declared

NAME = "loop-12ab"


def test_the_simulator_chooses_from_the_context_that_is_declared() -> None:
    given = parser().parse_args(["--random", *loop_declared.words()])
    chosen = {name: list(values) for name, values in given.context}
    assert chosen == {name: list(values) for name, values in loop_declared.CHOICES.items()}


def test_the_collector_accepts_each_context() -> None:
    values: Any = loop.collected(NAME)
    rules = Rules(Declaration.model_validate({"models": values["models"]}).models[NAME])
    choices = loop_declared.CHOICES
    for each in itertools.product(*choices.values()):
        context = dict(zip(choices, each, strict=True))
        click = events.click("sim-1", "item-1", context=context)
        taken = event_of(click.body(), rules, click.time)
        assert taken.context is not None
        assert taken.context.keys() == choices.keys()

"""`train` takes the champion, and the version before it only beside the champion."""

from __future__ import annotations

import argparse

import pytest

from recommender_training.cli import options, train
from recommender_training.common.errors import InputError

CHAMPION = ["--champion-artifact", "a", "--champion-digest", "sha256:1"]
PREVIOUS = ["--previous-artifact", "b", "--previous-digest", "sha256:2"]


def parsed(*words: str) -> argparse.Namespace:
    command = argparse.ArgumentParser()
    options.add_champion(command)
    return command.parse_args(words)


def test_both_are_compared_if_both_are_given() -> None:
    both = train._champion(parsed(*CHAMPION, *PREVIOUS))
    assert both is not None
    assert both._beside is not None
    alone = train._champion(parsed(*CHAMPION))
    assert alone is not None
    assert alone._beside is None
    assert train._champion(parsed()) is None


@pytest.mark.parametrize("words", [CHAMPION[:2], CHAMPION + PREVIOUS[2:], PREVIOUS])
def test_a_part_of_what_belongs_together_is_refused(words: list[str]) -> None:
    with pytest.raises(InputError, match="both"):
        train._champion(parsed(*words))

"""The small data set and what was trained on it: `tests.training_fixtures`."""

from tests.training_fixtures import *  # noqa: F403 -- fixtures, which it lists

"""Whole trainings, in this process and in others; no API server. `tests.training_fixtures`."""

from tests.training_fixtures import *  # noqa: F403 -- fixtures, which it lists

"""The parts of the benchmark of the closed loop that need no server."""

from __future__ import annotations

from recommender_collector.domain.declaration import Declaration
from recommender_simulate.click_memory import LAST
from recommender_training.data.sessions import HISTORY_LENGTH
from recommender_training.ingestion.mapping import Mapping
from tests.benchmarks.closed_loop import MAPPING


def test_collector_and_training_accept_its_mapping() -> None:
    assert Mapping.model_validate(MAPPING).label is not None
    declared = Declaration.model_validate({"models": {"shop": {"mapping": MAPPING}}})
    assert declared.models["shop"].outcome is not None


def test_users_remember_as_much_as_models_leave_out() -> None:
    assert LAST == HISTORY_LENGTH

"""Whole trainings, in this process and in others; no API server. `tests.training_fixtures`."""

from pathlib import Path

import pytest

from tests.training_fixtures import *  # noqa: F403 -- fixtures, which it lists


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The folder of a source, and that of its lake."""
    return tmp_path / "raw", tmp_path / "lake"

"""An erasure that dies at any of its steps is ended by the next command, with the same result."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from recommender_training.data import (
    compaction,
    data_versions,
    erasures,
    schema_files,
    snapshots,
    version_content,
)
from recommender_training.ingestion import erase
from tests.erased_lake import (
    apply,
    check,
    checked_twice,
    listed,
    raw_files,
    traces,
    without_user,
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return raw_files(tmp_path)


@pytest.fixture
def path(source: Path, tmp_path: Path) -> Path:
    return checked_twice(source, tmp_path)


class Killed(BaseException):
    """What the process dies of."""


#: Whatever changes a file: the erasure may die before and after each.
STEPS: tuple[tuple[Any, str], ...] = (
    (erasures, "write_erasures"),
    (erase, "_delete"),
    (erase, "_settle"),
    (erase, "_end_history"),
    (erase, "_record"),
    (snapshots, "drop"),
    (snapshots, "add_snapshot"),
    (schema_files, "write_schema"),
    (compaction, "vacuum"),
    (compaction, "remove_unfinished"),
    (DeltaTable, "create_checkpoint"),
    (DeltaTable, "cleanup_metadata"),
    (DeltaTable, "delete"),
)


def dying(patch: pytest.MonkeyPatch, at: int) -> list[int]:
    """Let the process die at its step `at`; return a list of the steps so far."""
    steps: list[int] = []

    def dies(call: Callable[..., Any]) -> Callable[..., Any]:
        def tick() -> None:
            steps.append(1)
            if len(steps) == at:
                raise Killed

        def wrapper(*given: Any, **named: Any) -> Any:
            tick()
            result = call(*given, **named)
            tick()
            return result

        return wrapper

    for owner, name in STEPS:
        patch.setattr(owner, name, dies(getattr(owner, name)))
    return steps


def test_an_erasure_that_dies_anywhere_is_ended_by_the_next_command(
    source: Path, path: Path, tmp_path: Path
) -> None:
    expected = tmp_path / "expected"
    shutil.copytree(path, expected)
    with pytest.MonkeyPatch.context() as patch:
        steps = dying(patch, at=-1)
        apply(expected, name=True)
    wanted = snapshots.read_snapshots(expected)[-1].data_version
    without_user(source)
    assert len(steps) > 40
    for at in range(1, len(steps) + 1, len(steps) // 8):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(path, copy)
        with pytest.MonkeyPatch.context() as patch:
            dying(patch, at)
            with pytest.raises(Killed):
                apply(copy, name=True)
        if at % 2:
            apply(copy, name=True)
        else:
            listed(source)
            check(source, copy)
        assert traces(copy) == [], at
        version = snapshots.read_snapshots(copy)[-1].data_version
        assert data_versions.digest_of(version) == data_versions.digest_of(wanted), at
        version_content.read_version(copy, version)
        assert erasures.read_erasures(copy).pending is None

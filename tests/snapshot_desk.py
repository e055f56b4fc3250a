"""A source of one's own, its lake, a clock that is set by hand, and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recommender_training.cli import main
from recommender_training.common import clock
from recommender_training.data import snapshots, version_content
from tests.mapped_files import INTERACTIONS, START, event, write

#: 2026-01-31T00:00:00Z: after all events, which are of January.
NOW = START + 30 * 86_400
MAPPING = json.dumps({"interactions": INTERACTIONS})


class Desk:
    """Files of events, and commands that read them at a time."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.raw, self.lake = folder, folder / "raw", folder / "lake"
        self.artifacts = folder / "artifacts"
        self.now, self._files = NOW, 0
        patch.setattr(clock, "seconds", lambda: self.now)

    def add_events(self, *rows: dict[str, Any]) -> None:
        """One more file of events."""
        write(self.raw / f"events/{self._files}.csv", rows)
        self._files += 1

    def add_hour(self, number: int, rows: int = 3) -> None:
        """A file of the events of an hour of the first of January."""
        at = START + number * 3600
        self.add_events(*(event(at % 7 + n, n, at + n, 1 + n % 5) for n in range(rows)))

    def run(self, command: str, *arguments: object) -> tuple[int, dict[str, Any]]:
        """Run a command on the lake; its exit code and its report."""
        path = self.folder / "report.json"
        path.unlink(missing_ok=True)
        told = [command, "--lake", self.lake, *arguments, "--report", path]
        code = main.main([*map(str, told)])
        assert len(path.read_bytes()) <= 4096
        return code, json.loads(path.read_text())

    def read(self, command: str, *arguments: object) -> tuple[int, dict[str, Any]]:
        """Run a command that reads the source."""
        source = ("--source", self.raw, "--format", "CSV", "--mapping", MAPPING)
        return self.run(command, *source, *arguments)

    def snapshot(self, keep: int = 30, *arguments: object) -> dict[str, Any]:
        """Take a snapshot, an hour after what was before."""
        self.now += 3600
        code, said = self.read("snapshot", "--keep-snapshots", keep, *arguments)
        assert code == 0, said
        return said

    def versions(self) -> list[str]:
        """The data versions of the record, oldest first."""
        return [each.data_version for each in snapshots.read_snapshots(self.lake)]

    def height(self, data_version: str) -> int:
        """The interactions of a data version, whose rows are those of its name."""
        return version_content.read_version(self.lake, data_version).interactions.height

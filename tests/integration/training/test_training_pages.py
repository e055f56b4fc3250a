"""The commands of `recommender-training` on the pages on training, offline answers and snapshots.

They run in this process. The folders of the page are small generated ones, and a training is as
small as one can be.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from recommender_training.cli import main
from tests.integration.page_reader import reading
from tests.mapped_files import event, write
from tests.pages.shell import commands

TINY = (
    '"resources": {"limits": {"cpu": "1"}}, '
    '"hyperparameters": {"epochs": 1, "embeddingDim": 4, "batchSize": 512'
)
SHORT = '"trials": 1, "folds": 1, "seeds": 1, "space": {"dropout": {}}'
CONFIG = f"--config '{{{TINY}}}}}'"
#: What the page asks for, and what takes seconds in its place.
SMALL = {
    r"(run .*--work work)": rf"\1 {CONFIG} --report run.json",
    r'"hyperparameters": {"dropout": 0.3': f'{TINY}, "dropout": 0.3',
    r'"search": {"trials": 30}': f'{TINY}}}, "search": {{{SHORT}}}',
    r"(measure .*/DIGEST16)": r"\1 --calls 20",
}
SMALL_SNAPSHOTS = {r"(--output staging/shop-1)": rf"\1 {CONFIG}"}
MAPPING = {
    "interactions": {
        "files": "*.parquet", "user": "user", "item": "item", "timestamp": "at", "value": "rating",
    }
}  # fmt: skip


class Desk:
    """A folder in which a data scientist types, and what the page's placeholders stand for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: The lake of which the next command names a data version.
        self.lake = folder / "work" / "lake" / "local"

    def type(self, text: str, where: str = "") -> str:
        """Run commands in this process, which saves their start; return what they print."""
        said = io.StringIO()
        for program, *words in commands(text):
            assert program == "recommender-training", where
            filled = [self._filled(word) for word in words]
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                code = main.main(filled)
            assert code == 0, f"{where}: {filled}: {said.getvalue()[-3000:]}"
        return said.getvalue()

    def python(self, text: str, where: str = "") -> str:
        raise AssertionError(f"{where}: these pages have no Python yet")

    def filled(self, text: str) -> str:
        """What a placeholder stands for is known only once the commands before it have run."""
        return text

    def _filled(self, word: str) -> str:
        known: dict[str, Callable[[], str]] = {
            "VERSION": self._data_version,
            # The past of a lake that was made a moment ago.
            "2026-11-25T00:00:00Z": lambda: f"{datetime.datetime.now(datetime.UTC):%FT%TZ}",
            "DIGEST16": lambda: next(self._folder.glob("work/artifacts/local/*")).name,
        }
        for shown, value in known.items():
            word = word.replace(shown, value()) if shown in word else word
        return word

    def _data_version(self) -> str:
        record = json.loads((self.lake / "snapshots.json").read_text(encoding="utf-8"))
        return str(record["snapshots"][-1]["dataVersion"])


def export(folder: Path, days: int) -> None:
    """The reader's own files: 100 events of each of so many days, and their mapping."""
    start = int(time.time()) // 86_400 * 86_400 - 60 * 86_400
    for day in range(days):
        at = start + 86_400 * day
        rows = [event(n % 20, n * 7 % 11, at + n, 1 + (3 * n + day) % 5) for n in range(100)]
        write(folder / "export" / f"day-{day}.parquet", rows)
    (folder / "mapping.json").write_text(json.dumps(MAPPING), encoding="utf-8")


def test_page_training(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(source, "ml-100k")
    desk = Desk(tmp_path)
    with reading(desk, "training", SMALL, ("recommender-training",)) as page:
        said = page.next("run --source")
        assert "worstSegmentAuc" in said
        assert "s] check:" in said
        published = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["path"]
        assert (tmp_path / "work" / published / "manifest.json").is_file()
        assert "report.html" in said
        assert "measure: Done: recommender p50" in said
    (tmp_path / "requests.jsonl").write_text('{"user_id": 42, "top_n": 5}\n')
    with reading(desk, "offline-answers", {}, ("recommender-training",)) as page:
        assert '"items": [' in page.next("recommend --artifact")
    assert pl.read_parquet("answers.parquet")["items"].list.len().to_list() == [5]
    assert pl.read_parquet("lists.parquet").height == 120


def test_page_snapshots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    desk = Desk(tmp_path)
    export(tmp_path, 10)
    (tmp_path / "artifacts" / "shop").mkdir(parents=True)
    desk.lake = tmp_path / "lake" / "shop"
    desk.type(
        "recommender-training check --source export --format Parquet --lake lake/shop "
        "--mapping @mapping.json"
    )
    export(tmp_path, 12)
    with reading(desk, "snapshots", SMALL_SNAPSHOTS, ("recommender-training",)) as page:
        said = page.next("snapshots --lake")
        assert "200 new rows" in said
        assert "2 snapshots in lake/shop" in said
        assert "compact: Done" in page.next("compact")
    assert (tmp_path / "staging" / "shop-1" / "manifest.json").is_file()

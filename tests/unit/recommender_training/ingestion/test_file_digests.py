"""A check reads a raw file once, and again only if it changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

import pytest

from recommender_contract.resource.mapping import Format
from recommender_training.ingestion import file_digests, source_files
from recommender_training.ingestion.file_digests import FileDigests
from tests import erased_lake
from tests.erased_lake import OTHERS, batch, mapping, users_file

FOLDERS, DAY = 6, 86_400


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as unchanged at once."""
    monkeypatch.setattr(file_digests, "SETTLED", -1.0)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for number in range(1, FOLDERS + 1):
        batch(tmp_path / "raw", number, OTHERS, number)
    users_file(tmp_path / "raw", OTHERS)
    return tmp_path / "raw"


def _bytes_read() -> int:
    """Bytes that this process has read, by whatever call."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def _find(source: Path, lake: Path) -> tuple[dict[str, str], int]:
    """The digest of each file, and how many bytes were read for them."""
    digests = FileDigests.of(lake)
    before = _bytes_read()
    found = source_files.find_files(source, mapping(), Format.JSON_LINES, digests)
    events = source_files.of_the_collector(source, found, Format.JSON_LINES, digests)
    read = _bytes_read() - before
    lake.mkdir(exist_ok=True)
    digests.write(lake)
    files = [*found["interactions"], *found["users"], *events]
    return {file.name: file.batch for file in files}, read


def _sizes(source: Path) -> dict[str, int]:
    return {str(path.relative_to(source)): path.stat().st_size for path in source.rglob("*.jsonl")}


def _true(source: Path) -> dict[str, str]:
    return {
        name: hashlib.sha256((source / name).read_bytes()).hexdigest()[:32]
        for name in _sizes(source)
    }


def test_the_second_check_reads_new_files_alone(source: Path, tmp_path: Path) -> None:
    own = _bytes_read()
    own = _bytes_read() - own  # of the look itself
    first, read = _find(source, tmp_path / "lake")
    assert first == _true(source)
    history = sum(_sizes(source).values())
    assert read >= history
    again, read = _find(source, tmp_path / "lake")
    assert again == first
    assert read - own < 2048, "not the history"
    batch(source, FOLDERS + 1, OTHERS, 7)
    more, read = _find(source, tmp_path / "lake")
    assert more == _true(source)
    new = sum(size for name, size in _sizes(source).items() if name not in first)
    assert new <= read - own < new + 2048


def _erased(path: Path) -> None:
    """As the writer of the collector rewrites a file, in the same place, with the same size."""
    part = path.with_name(".part")
    part.write_bytes(path.read_bytes().replace(b"ada", b"eve"))
    before = path.stat()
    part.replace(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _in_place(path: Path) -> None:
    before = path.stat()
    content = path.read_bytes().replace(b"ada", b"eve")
    with path.open("r+b") as stream:
        stream.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _longer(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"{}\n")


def _swapped(path: Path) -> None:
    other = path.parent.parent / "000000000003" / path.name
    shutil.move(path, path.with_name("x"))
    shutil.move(other, path)
    shutil.move(path.with_name("x"), other)


@pytest.mark.parametrize("change", [_erased, _in_place, _longer, _swapped])
@pytest.mark.parametrize("name", ["interactions.jsonl", "events.jsonl"])
def test_a_file_that_changed_is_read_again(
    source: Path, tmp_path: Path, change: object, name: str
) -> None:
    assert callable(change)
    _find(source, tmp_path / "lake")
    tick = time.time_ns()
    while time.time_ns() - tick < 20_000_000:  # the kernel's clock of files ticks
        os.stat(source)
    change(source / "000000000002" / name)
    assert _find(source, tmp_path / "lake")[0] == _true(source)


def test_a_file_that_was_just_written_is_not_remembered(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_digests, "SETTLED", 3600.0)
    for _ in range(2):
        _, read = _find(source, tmp_path / "lake")
        assert read >= sum(_sizes(source).values())


def test_a_damaged_record_is_none(source: Path, tmp_path: Path) -> None:
    _find(source, tmp_path / "lake")
    record = tmp_path / "lake" / file_digests.FILE
    for content in (b"", b"PAR1", record.read_bytes()[:-100]):
        record.write_bytes(content)
        found, read = _find(source, tmp_path / "lake")
        assert found == _true(source)
        assert read >= sum(_sizes(source).values())


def test_files_that_are_gone_are_forgotten(source: Path, tmp_path: Path) -> None:
    _find(source, tmp_path / "lake")
    shutil.rmtree(source / "000000000001")
    _find(source, tmp_path / "lake")
    assert b"000000000001" not in (tmp_path / "lake" / file_digests.FILE).read_bytes()


def test_a_check_of_the_same_files_names_the_same_data_version(
    source: Path, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    first = erased_lake.check(source, lake)
    assert (lake / file_digests.FILE).exists()
    again = erased_lake.check(source, lake)
    assert (again.data_version, again.new_rows) == (first.data_version, 0)

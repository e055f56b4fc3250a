"""The commands of the page that count the writer's events by source, by proof and by user."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from recommender_collector.domain.events import Event
from recommender_collector.domain.file_rows import archive_line
from recommender_contract.events import Kind
from tests.pages import blocks
from tests.pages.statements import statements

TIME = 1_767_225_600_000


def event(user: str, source: str | None, proven: bool | None, kind: Kind = Kind.CLICK) -> Event:
    return Event("e", kind, user, ("i",), TIME, source=source, proven=proven)


def printed(folder: Path) -> list[list[list[str]]]:
    """What the commands print of the files in a folder, as words of their lines."""
    found = [
        text
        for block in blocks.of("sh")
        if block.page == "docs/event-files.md"
        for text in statements(block.text)
        if text.startswith("jq ")
    ]
    return [
        [
            line.split(maxsplit=1)
            for line in subprocess.run(
                ["bash", "-c", f"set -o pipefail; {text.replace('/files', str(folder))}"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.splitlines()
        ]
        for text in found
    ]


@pytest.mark.skipif(shutil.which("jq") is None, reason="the page's commands need jq")
def test_events_are_counted_by_source_and_proof_and_the_busiest_users_come_first(
    tmp_path: Path,
) -> None:
    batches = [
        [event("bot", "web", False)] * 5 + [event("ada", "web", True)] * 3,
        [event("bot", "web", False)] * 4 + [event("eve", None, None)] * 2,
        [event("bob", "serving", None, Kind.IMPRESSION)] * 30,
    ]
    for number, events in enumerate(batches):
        folder = tmp_path / "shop" / f"{number:012}"
        folder.mkdir(parents=True)
        (folder / "events.jsonl").write_bytes(
            b"".join(archive_line(each) + b"\n" for each in events)
        )
    by_source, by_user = printed(tmp_path)
    assert by_source == [
        ["30", '["serving",null]'], ["9", '["web",false]'], ["3", '["web",true]'],
        ["2", "[null,null]"],
    ]  # fmt: skip
    assert by_user == [["9", "bot"], ["3", "ada"], ["2", "eve"]]

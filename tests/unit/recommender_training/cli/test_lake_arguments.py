"""Arguments of the commands on the lake, and what they are not to be combined with."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender_training.cli import main

LAKE = ["--lake", "lake"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "one of the arguments --source --data-version --as-of is required"),
        (["--source", "a", "--as-of", "b"], "argument --as-of: not allowed with argument"),
        (["--as-of", "b", "--data-version", "c"], "argument --data-version: not allowed with"),
        (["--as-of", "b", "--format", "CSV"], "argument --format: not allowed without --source"),
        (["--mapping", "{}", "--as-of", "b"], "argument --mapping: not allowed without --source"),
        (
            ["--data-version", "c", "--max-quarantined-share", "0.01"],
            "argument --max-quarantined-share: not allowed without --source",
        ),
    ],
)
def test_a_check_is_of_one_thing_and_only_a_source_is_read(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(["check", *LAKE, *arguments])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "usage: recommender-training check" in said
    assert told in said


def test_a_check_of_the_past_has_all_else() -> None:
    told = main.parser().parse_args(
        ["check", *LAKE, "--as-of", "2026-11-25T00:00:00Z", "--window-days", "90",
         "--min-rows", "5", "--checks", "{}", "--against", "v", "--report", "r"]
    )  # fmt: skip
    assert (told.as_of, told.source, told.data_version) == ("2026-11-25T00:00:00Z", None, None)
    assert (told.window_days, told.min_rows, told.against) == (90, 5, "v")


@pytest.mark.parametrize("command", ["check", "snapshot", "run"])
def test_what_is_read_has_defaults(command: str) -> None:
    where = ["--work", "work"] if command == "run" else LAKE
    told = main.parser().parse_args([command, "--source", "raw", *where])
    assert (told.format, told.mapping, told.max_quarantined_share) == (
        "MovieLens100K", None, 0.01,
    )  # fmt: skip
    assert told.source == Path("raw")


def test_a_snapshot_keeps_thirty_and_spares_what_is_named() -> None:
    command = ["snapshot", "--source", "raw", *LAKE]
    told = main.parser().parse_args(command)
    assert (told.keep_snapshots, told.keep, told.artifacts) == (30, [], None)
    assert told.retention_hours == 168
    told = main.parser().parse_args([*command, "--keep", "a", "--keep", "b", "--artifacts", "c"])
    assert (told.keep, told.artifacts) == (["a", "b"], Path("c"))
    with pytest.raises(SystemExit):
        main.parser().parse_args([*command, "--keep-snapshots", "0"])


def test_compact_keeps_all_snapshots_unless_told_otherwise() -> None:
    told = main.parser().parse_args(["compact", *LAKE, "--artifacts", "a"])
    assert told.keep_snapshots is None

"""Arguments of the commands on the lake, and combinations that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender_training.cli import main

LAKE = ["--lake", "lake"]


@pytest.mark.parametrize(
    ("arguments", "error"),
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
def test_a_check_needs_one_source_or_version_and_formats_need_a_source(
    arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(["check", *LAKE, *arguments])
    assert caught.value.code == 2
    stderr = capsys.readouterr().err
    assert "usage: recommender-training check" in stderr
    assert error in stderr


def test_a_check_of_a_past_version_accepts_all_other_options() -> None:
    parsed = main.parser().parse_args(
        ["check", *LAKE, "--as-of", "2026-11-25T00:00:00Z", "--window-days", "90",
         "--min-rows", "5", "--checks", "{}", "--against", "v", "--report", "r"]
    )  # fmt: skip
    assert parsed.as_of == "2026-11-25T00:00:00Z"
    assert (parsed.source, parsed.data_version) == (None, None)
    assert (parsed.window_days, parsed.min_rows, parsed.against) == (90, 5, "v")


@pytest.mark.parametrize("command", ["check", "snapshot", "run"])
def test_the_source_options_have_defaults_but_the_format(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No data set is that of a user: a source without a format is refused with the choices."""
    where = ["--work", "work"] if command == "run" else LAKE
    parsed = main.parser().parse_args([command, "--source", "raw", "--format", "CSV", *where])
    assert (parsed.format, parsed.mapping, parsed.max_quarantined_share) == ("CSV", None, 0.01)
    assert parsed.source == Path("raw")
    with pytest.raises(SystemExit):
        main.parser().parse_args([command, "--source", "raw", *where])
    assert (
        "argument --format: required with --source (choose from MovieLens100K, Parquet, CSV, "
        "JSONLines, Delta)"
    ) in capsys.readouterr().err


def test_a_snapshot_keeps_thirty_snapshots_and_the_versions_of_keep() -> None:
    command = ["snapshot", "--source", "raw", "--format", "Delta", *LAKE]
    parsed = main.parser().parse_args(command)
    assert (parsed.keep_snapshots, parsed.keep, parsed.artifacts) == (30, [], None)
    assert parsed.retention_hours == 168
    parsed = main.parser().parse_args([*command, "--keep", "a", "--keep", "b", "--artifacts", "c"])
    assert (parsed.keep, parsed.artifacts) == (["a", "b"], Path("c"))
    with pytest.raises(SystemExit):
        main.parser().parse_args([*command, "--keep-snapshots", "0"])


def test_compact_keeps_all_snapshots_by_default() -> None:
    parsed = main.parser().parse_args(["compact", *LAKE, "--artifacts", "a"])
    assert parsed.keep_snapshots is None

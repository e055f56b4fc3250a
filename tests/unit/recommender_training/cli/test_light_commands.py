"""A command imports what it needs: most Jobs start without PyTorch."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from recommender_training.cli import dispatch
from recommender_training.cli.main import main

#: Commands of Jobs that train nothing.
LIGHT = (
    "check",
    "snapshot",
    "snapshots",
    "compact",
    "publish",
    "remove",
    "measure",
    "recalibrate",
)


@pytest.mark.parametrize("name", dispatch.COMMANDS)
def test_each_command_has_a_module_of_its_name(name: str) -> None:
    command = dispatch.command(name)
    assert callable(command.add)
    assert callable(command.run)


def test_jobs_that_train_nothing_do_not_import_torch() -> None:
    text = (
        "import sys\n"
        "from recommender_training.cli import dispatch, main\n"
        f"main.parser({LIGHT!r})\n"
        "print('torch' in sys.modules, *[m for m in sys.modules if 'fitted' in m])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == ["False"]


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert set(dispatch.COMMANDS) <= set(re.findall(r"^    ([a-z-]+)(?= |$)", text, re.MULTILINE))


def test_a_misspelt_command_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["trian"])
    assert ended.value.code == 2
    assert "'train'" in capsys.readouterr().err

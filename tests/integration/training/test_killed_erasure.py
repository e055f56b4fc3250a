"""An erasure that is killed at any moment is ended by the next command, with the same result."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recommender_contract.erasures import digest as erased_digest
from recommender_contract.ids import hashed
from recommender_training.data import data_versions, erasures, snapshots, version_content
from recommender_training.ingestion import erase
from tests.erased_lake import ERASED, OTHERS, USER, batch, check, listed, traces, users_file

KILLS = 8
#: Says when it begins, so that the time to import does not count.
_PROGRAM = """
import sys
from pathlib import Path
from recommender_training.data import lake
from recommender_training.ingestion import erase
path, digest, at = sys.argv[1:]
print("begins", flush=True)
with lake.locked(Path(path)):
    erase.erase(Path(path), {digest: int(at)})
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw files and a lake of several versions."""
    folder = tmp_path_factory.mktemp("before")
    users_file(folder / "raw", (*OTHERS, USER))
    for number in range(1, 5):
        batch(folder / "raw", number, (*OTHERS, USER), number)
        check(folder / "raw", folder / "lake")
    return folder


def seconds_of_an_erasure(path: Path, kill_after: float | None) -> float:
    """Erase the user in a process of its own, which may be killed."""
    digest = erased_digest(hashed(USER))
    command = [sys.executable, "-c", _PROGRAM, str(path), digest, str(ERASED)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begins\n"
        begun = time.monotonic()
        if kill_after is None:
            assert process.wait() == 0
        else:
            time.sleep(kill_after)
            process.kill()
        return time.monotonic() - begun


def test_a_killed_erasure_is_ended_by_the_next_check(folder: Path, tmp_path: Path) -> None:
    whole = shutil.copytree(folder, tmp_path / "whole")
    length = seconds_of_an_erasure(whole / "lake", None)
    listed(whole / "raw")
    digest = data_versions.digest_of(check(whole / "raw", whole / "lake").data_version)
    unfinished = number = 0
    while number < KILLS or not unfinished:
        assert number < 5 * KILLS, "no kill hit the erasure"
        copy = shutil.copytree(folder, tmp_path / str(number))
        # Later rounds are earlier in it: the whole one may have run on a busier machine.
        moment = length * (number % KILLS + random.random()) / KILLS / (1 + number // KILLS)
        number += 1
        seconds_of_an_erasure(copy / "lake", moment)
        unfinished += erasures.read_erasures(copy / "lake").pending is not None
        listed(copy / "raw")
        found = check(copy / "raw", copy / "lake").data_version
        assert traces(copy / "lake") == [], moment
        assert data_versions.digest_of(found) == digest
        assert [each.data_version for each in snapshots.read_snapshots(copy / "lake")] == [found]
        version_content.read_version(copy / "lake", found)
        assert erase.resume(copy / "lake") == erase.Erased()

"""The list of extensions: the core reconciles without any of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import recommender_operator
from recommender_operator.context.extension import Extension
from recommender_operator.extensions.registry import EXTENSIONS
from tests.unit.recommender_operator.extensions.lives import after_second

ROOT = Path(__file__).parents[4]
PACKAGE = Path(recommender_operator.__file__).parent
FOLDERS = sorted(path.parent.name for path in PACKAGE.glob("extensions/*/__init__.py"))


def test_the_life_has_work_for_the_extensions() -> None:
    world = after_second(EXTENSIONS)
    assert world.second_stage == "Promoted"
    assert world.weights_of(2) == [0, 10, 50, 100]
    (status,) = [v.status for n, v in world.versions.items() if world.seed_of(n) == 2]
    assert status.interleaving is not None
    assert status.interleaving.verdict == "Preferred"
    assert status.experiment is not None
    assert status.experiment.verdict == "Promote"
    assert status.fresh_champion is not None
    assert world.status.holdout is not None


def without(extension: Extension) -> tuple[Extension, ...]:
    return tuple(each for each in EXTENSIONS if each is not extension)


@pytest.mark.parametrize("extension", EXTENSIONS, ids=lambda each: type(each).__name__)
def test_a_rollout_ends_without_an_extension_that_its_spec_asks_for(extension: Extension) -> None:
    world = after_second(without(extension))
    assert world.second_stage == "Promoted"
    assert world.route == {world.champion(): 100}
    assert world.condition("Ready")[0] == "True"


@pytest.mark.parametrize("extension", EXTENSIONS, ids=lambda each: type(each).__name__)
def test_a_broken_candidate_is_rolled_back_without_an_extension(extension: Extension) -> None:
    world = after_second(without(extension), broken=True)
    assert world.second_stage == "RolledBack"
    assert world.seed_of(world.stable()) != 2


def test_the_core_reconciles_without_any_extension() -> None:
    world = after_second(())
    assert world.second_stage == "Promoted"
    assert world.weights_of(2) == [10, 50, 100]


def removed(folder: str, target: Path) -> None:
    """Write the package without the folder of an extension and without its lines."""
    own = target / PACKAGE.name
    (own / "extensions").mkdir(parents=True)
    for room in PACKAGE.iterdir():
        if room.name not in ("extensions", "__pycache__"):
            (own / room.name).symlink_to(room)
    for path in (PACKAGE / "extensions").iterdir():
        if path.name not in (folder, "registry.py", "__pycache__"):
            (own / "extensions" / path.name).symlink_to(path)
    lines = (PACKAGE / "extensions" / "registry.py").read_text().splitlines()
    imports = [line for line in lines if f"extensions.{folder}." in line]
    names = {line.rpartition(" import ")[2] for line in imports}
    gone = {*imports, *(f"    {name}()," for name in names)}
    kept = [line for line in lines if line not in gone]
    assert len(lines) - len(kept) == 2 * len(imports) > 0
    (own / "extensions" / "registry.py").write_text("\n".join(kept) + "\n")


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_extension_goes_with_its_folder_and_its_lines(folder: str, tmp_path: Path) -> None:
    removed(folder, tmp_path)
    program = (
        "import runpy; import recommender_operator.process.operator_process as operator; "
        f"assert operator.__file__.startswith({str(tmp_path)!r}); "
        "runpy.run_module('tests.unit.recommender_operator.extensions.lives', "
        "run_name='__main__')"
    )
    # The tests stay as they are: they name no extension either.
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == "Promoted"

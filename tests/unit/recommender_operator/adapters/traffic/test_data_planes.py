"""The lists of data planes and of scaling engines: Gateway mode works without what they add."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import recommender_operator

ROOT = Path(__file__).parents[5]
PACKAGE = Path(recommender_operator.__file__).parent
#: Of each folder: the file with its lines, and the text that stays in the place of one of them.
LINES = {
    "knative": ("data_planes.py", ""),
    "keda": ("scaler_engine.py", "SCALERS = Scalers\n"),
}


def removed(folder: str, target: Path) -> None:
    """Write the package without a folder of the traffic port and without its lines."""
    listing, stays = LINES[folder]
    own = target / PACKAGE.name
    for parent, child in ((".", "adapters"), ("adapters", "traffic"), ("adapters/traffic", "")):
        (own / parent).mkdir(parents=True, exist_ok=True)
        for path in (PACKAGE / parent).iterdir():
            if path.name not in (child, folder, listing, "__pycache__"):
                (own / parent / path.name).symlink_to(path)
    head, code, body = (PACKAGE / "adapters/traffic" / listing).read_text().partition("\nfrom ")
    lines = body.splitlines(keepends=True)
    kept = [(stays if "=" in line else "") if folder in line.lower() else line for line in lines]
    (own / "adapters/traffic" / listing).write_text(head + code + "".join(kept))


@pytest.mark.parametrize("folder", LINES)
def test_gateway_mode_works_without_the_folder_and_its_lines(folder: str, tmp_path: Path) -> None:
    removed(folder, tmp_path)
    program = (
        "import sys, pytest; import recommender_operator.process.operator_process as operator; "
        f"assert operator.__file__.startswith({str(tmp_path)!r}); "
        "sys.exit(pytest.main(['-q', '-p', 'no:xdist', '-p', 'no:cacheprovider', "
        "*(f'tests/unit/recommender_operator/adapters/traffic/test_gateway_{name}.py' "
        "for name in ('traffic', 'autoscaling'))]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr

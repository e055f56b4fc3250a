"""evidently and NannyML judge windows, each in its own environment and process.

They roll nothing back, so their false rollbacks are not counted.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import tempfile
from pathlib import Path

from lab.benchmarks.drift_sessions import CATEGORICAL, Rows
from tests.benchmarks.peers import serving_envs

#: Their default verdicts: half of the columns (evidently), any column (NannyML); and evidently's
#: for any column.
RULES = ("evidently", "evidently_any_column", "nannyml")
#: A reference and the windows to compare with it.
Task = tuple[Rows, list[Rows]]
_LIBRARIES = ("evidently", "nannyml")
_SILENT = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}


def versions() -> dict[str, str]:
    return {name: serving_envs.version(name) for name in _LIBRARIES}


def judge(tasks: list[Task], sessions: int) -> dict[str, list[list[bool]]]:
    """Return by rule the alarms of all windows of each task."""
    found: dict[str, list[list[bool]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "tasks.pickle", Path(folder) / "answer.json"
        given.write_bytes(pickle.dumps((tasks, CATEGORICAL, sessions)))
        for name in _LIBRARIES:
            worker = Path(__file__).with_name(f"drift_{name}.py")
            python = serving_envs.ensure(name) / "python"
            command = [str(python), "-W", "ignore", str(worker), str(given), str(answer)]
            subprocess.run(command, check=True, env={**os.environ, **_SILENT, "PYTHONPATH": ""})
            found |= json.loads(answer.read_text())
    return found

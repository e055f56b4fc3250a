"""The simulator as a command, against a real transformer and a real collector."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests import collector_rig
from tests.collector_rig import MAPPING, until
from tests.integration.transformer_rig import VERSION, run_transformer
from tests.unit.recommender_serving.serving_samples import write_files

INTEGERS: dict[str, Any] = {"mapping": {**MAPPING, "ids": {"user": "Integer", "item": "Integer"}}}


def test_every_act_of_simulated_users_is_in_the_log_once(tmp_path: Path) -> None:
    write_files(tmp_path / "artifact")
    with collector_rig.running(tmp_path, settings=INTEGERS) as rig:
        flags = ("--model-wait-seconds", "0")
        log = tmp_path / "transformer.log"
        with run_transformer(tmp_path / "artifact", "127.0.0.1:9", log, *flags) as transformer:
            done = subprocess.run(
                [
                    sys.executable, "-m", "recommender_simulate",
                    "--url", transformer.http, "--events", rig.url,
                    "--seconds", "3", "--rate", "50", "--users", "30", "--user-prefix", "5000",
                    "--click-rate", "0.4", "-o", "json",
                ],
                capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        (arm,) = report["versions"].values()
        assert set(report["versions"]) == {VERSION}
        wanted = {
            "impression": arm["answers"], "click": arm["clicks"], "purchase": arm["purchases"]
        }  # fmt: skip
        assert all(wanted.values()), report
        until(lambda: len(rig.archived()) == sum(wanted.values()))
        assert Counter(event["kind"] for event in rig.archived()) == wanted
        assert {event["user"] for event in rig.archived()} <= set(range(5000, 5030))

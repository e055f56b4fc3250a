"""The Job that reads a report from the claim, as docs/console.md tells it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "manifests" / "report" / "job.yaml").read_text(encoding="utf-8")
POD: dict[str, Any] = yaml.safe_load(TEXT)["spec"]["template"]["spec"]


def test_its_log_is_the_report(tmp_path: Path) -> None:
    page = "<!doctype html>\n<p>é</p>\n".encode()
    folder = tmp_path / "artifacts" / "movies" / "0123456789abcdef"
    folder.mkdir(parents=True)
    (folder / "report.html").write_bytes(page)
    (container,) = POD["containers"]
    program, *arguments = container["command"]
    assert program == "python3"
    source = arguments.pop().replace("FOLDER", str(folder.relative_to(tmp_path)))
    source = source.replace("/store/", f"{tmp_path}/")
    done = subprocess.run([sys.executable, *arguments, source], capture_output=True, check=True)
    assert done.stdout == page


def test_it_can_write_nothing_and_meets_the_restricted_standard() -> None:
    (container,), (volume,) = POD["containers"], POD["volumes"]
    (mount,) = container["volumeMounts"]
    assert mount == {"name": volume["name"], "mountPath": "/store", "readOnly": True}
    assert volume["persistentVolumeClaim"]["readOnly"] is True
    assert POD["automountServiceAccountToken"] is False
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_page_deletes_the_last_job_before_it_applies_another() -> None:
    """A Job cannot be changed, and the last one may still be there."""
    page = (ROOT / "docs" / "console.md").read_text(encoding="utf-8")
    name = yaml.safe_load(TEXT)["metadata"]["name"]
    delete = page.index(f"kubectl delete job {name} --ignore-not-found\n")
    assert delete < page.index("kubectl apply -f report-job.yaml\n")

"""The cluster of somebody who reads the how-to pages: shell, release, operator and models."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import yaml

from recommender_kubectl import __main__ as plugin
from tests import chart
from tests.cluster import api
from tests.integration import operator_api_rig as rig
from tests.integration.model_objects import set_status
from tests.integration.page_reader import Reader, reading

Json = dict[str, Any]
#: For one block or condition; most take a second.
SECONDS = 60
#: What `timeout` exits with.
TOO_LONG = 124
#: Programs of the reader: the plugin and its completion.
PLUGINS = {"kubectl-recommender": "__main__", "kubectl_complete-recommender": "completion"}
#: What differs from the model of the tutorial: a candidate waits until somebody decides, and no
#: version is deleted meanwhile.
CHANGES: Json = {
    "rollout": {
        "steps": [{"weight": 50}, {"weight": 100}],
        "analysis": {"intervalSeconds": 2, "stepSeconds": 1800, "minRequests": 40},
    },
    "evaluation": {"gates": [{"metric": "auc", "min": 0.65}]},
    "history": {"limit": 20},
    "retrain": {"drift": {"enabled": False}},
    "deletionPolicy": "Retain",
}


class World:
    """What a reader has after the page on the installation, and the values of placeholders."""

    def __init__(self, folder: pathlib.Path) -> None:
        run = secrets.token_hex(3)
        self.team, self.system = f"team-{run}", f"system-{run}"
        #: Namespaces that single pages create, by their names there.
        self.others = {name: f"{name}-{run}" for name in ("shop", "blue", "rehearsal")}
        self.folder = folder
        self._seed = 100
        self.config = folder / "kubeconfig"
        shutil.copy(rig.kubeconfig(), self.config)
        for name in ("charts", "manifests"):
            (folder / name).symlink_to(rig.ROOT / name)
        self.environment = {
            "PATH": os.pathsep.join([str(self._tools()), os.environ["PATH"]]),
            "HOME": str(folder),
            "KUBECONFIG": str(self.config),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }

    def _tools(self) -> pathlib.Path:
        folder = self.folder / "bin"
        folder.mkdir()
        (folder / "kubectl").symlink_to(api.tool("kubectl"))
        (folder / "helm").symlink_to(chart.helm())
        for name, module in PLUGINS.items():
            start = f"from recommender_kubectl.{module} import main; main()"
            (folder / name).write_text(f"#!{sys.executable}\n{start}\n", encoding="utf-8")
            (folder / name).chmod(0o755)
        return folder

    # What is typed.

    def type(self, text: str, where: str = "") -> str:
        """Run commands as they are, and return what they print."""
        script = f"set -euo pipefail\n{text}"
        command = ["timeout", str(SECONDS), "bash", "-xc", script]
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        said = self.described() if done.returncode == TOO_LONG else ""
        assert done.returncode == 0, (
            f"{where}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}\n{said}"
        )
        return done.stdout

    def plugin(self, *words: str, code: int = 0) -> str:
        """Run `kubectl recommender` in this process, which saves its start."""
        said = io.StringIO()
        place = ("--kubeconfig", str(self.config), "-n", self.team)
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            done = plugin.run([*place, *words])
        assert done == code, f"{words}: {said.getvalue()}"
        return said.getvalue()

    def python(self, text: str, where: str = "") -> str:
        raise AssertionError(f"{where}: no how-to page has Python yet")

    def reading(
        self, page: str, names: Mapping[str, str] | None = None, *programs: str
    ) -> AbstractContextManager[Reader]:
        """Read a page to its end, or its commands of some programs.

        `names` are patterns of the page's own placeholders.
        """
        return reading(self, page, names, programs)

    def filled(self, text: str) -> str:
        """Return a text with the reader's values."""
        known: dict[str, Callable[[], str]] = {
            r"watchNamespaces=\{team-a\}": lambda: (
                f"watchNamespaces={{{self.team},{self.system}}}"
            ),
            "team-a": lambda: self.team,
            "recommender-system": lambda: self.system,
            "MY_GATEWAY_NAMESPACE": lambda: "gateways",
            "MY_GATEWAY": lambda: "gateway",
            "REGISTRY": lambda: "registry.example",
            "TOKEN": lambda: secrets.token_hex(4),
            "sha256:DIGEST": lambda: chart.DIGEST,
            "movies-1a2b3c4d": self.kept,
            "movies-5e6f7a8b": self.champion,
        }
        values = list(known.values())
        # In one pass: a name that was filled in may look like a placeholder (`team-a1b2c3`).
        placeholder = re.compile("|".join(f"({pattern})" for pattern in known))
        return placeholder.sub(lambda found: values[(found.lastindex or 0) - 1](), text)

    # What there is.

    def get(self, kind: str, name: str = "movies", namespace: str = "") -> Json:
        found = rig.kubectl("-n", namespace or self.team, "get", kind, name, "-o", "json")
        return dict(json.loads(found))

    def names(self, kind: str, *options: str, namespace: str = "") -> list[str]:
        place = namespace or self.team
        return rig.kubectl("-n", place, "get", kind, "-o", "name", *options).split()

    def status(self, name: str = "movies", namespace: str = "") -> Json:
        return self.get("recommendermodel", name, namespace).get("status") or {}

    def condition(self, kind: str) -> str:
        found = {one["type"]: one["status"] for one in self.status().get("conditions") or ()}
        return str(found.get(kind, ""))

    def champion(self, name: str = "movies", namespace: str = "") -> str:
        return str(self.status(name, namespace).get("champion") or "")

    def kept(self) -> str:
        """Return a published version that is neither the champion nor the previous one."""
        status, found = self.status(), rig.kubectl(
            "-n", self.team, "get", "modelversions", "-l", "recommender.dev/model=movies",
            "-o", "json",
        )  # fmt: skip
        warm = {status.get("champion"), status.get("previous")}
        versions = json.loads(found)["items"]
        published = [one for one in versions if one["status"].get("artifact")]
        names = [str(one["metadata"]["name"]) for one in published]
        return next(name for name in names if name not in warm)

    def until(self, what: str, condition: Callable[[], object]) -> None:
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, f"{what}: not in {SECONDS} s; {self.described()}"
            time.sleep(0.4)

    def described(self) -> str:
        """Return what a reader would look at: the ends of the models' conditions and Events."""
        spaces = (self.team, self.system)
        found = [rig.kubectl("-n", each, "describe", "recommendermodels") for each in spaces]
        return "\n".join(text[-4000:] for text in found)

    # What a page assumes.

    def quiet(self) -> None:
        """Nothing is on its way, and nothing is pinned."""
        rig.kubectl(
            "-n", self.team, "patch", "recommendermodel", "movies", "--type=merge",
            "-p", '{"spec": {"rollbackTo": null, "paused": false}}',
        )  # fmt: skip
        if self.status().get("candidate"):
            self.plugin("abort", "movies", "--wait")
            self.until("no candidate", lambda: not self.status().get("candidate"))

    def candidate(self) -> str:
        """A new version has half of the requests, and waits there."""
        self.quiet()
        self._seed += 1
        patch = {"spec": {"training": {"seed": self._seed}}}
        rig.kubectl(
            "-n", self.team, "patch", "recommendermodel", "movies", "--type=merge",
            "-p", json.dumps(patch),
        )  # fmt: skip
        self.until("a canary", lambda: self.status().get("stage") == "Canary")
        return str(self.status()["candidate"])

    def promoted(self) -> str:
        """A new version is the champion."""
        candidate = self.candidate()
        self.plugin("promote", "movies", "--wait", "--timeout", "1m")
        self.until("its promotion", lambda: self.champion() == candidate)
        return candidate

    def current(self) -> None:
        """The champion is the version of the spec, and nothing is on its way."""
        self.quiet()
        if self.condition("UpToDate") != "True":
            self.promoted()

    def claims(self, namespace: str) -> None:
        """The two claims of a model, as storage gives them: without labels."""
        file = rig.ROOT / "manifests" / "closed-loop" / "claims.yaml"
        made = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
        for claim in made:
            claim["metadata"].pop("labels", None)
        rig.kubectl("-n", namespace, "apply", "-f", "-", stdin=yaml.safe_dump_all(made))

    def claimed(self, claim: Json) -> None:
        """Give the models back to the operator."""
        for namespace in (self.team, self.system):
            for name in self.names("recommendermodels", namespace=namespace):
                set_status(namespace, {"operator": claim}, name.rpartition("/")[2])

    def model_file(self, spec: Json = CHANGES) -> None:
        """The reader's `movies.yaml`, with these parts of its spec."""
        file = rig.ROOT / "manifests" / "tutorial" / "movies.yaml"
        model = yaml.safe_load(file.read_text(encoding="utf-8"))
        model["spec"] |= spec
        (self.folder / "movies.yaml").write_text(yaml.safe_dump(model), encoding="utf-8")

    def address(self) -> str:
        """Return the URL of a pod of the champion."""
        wanted = f"recommender.dev/version={self.champion()},recommender.dev/component=transformer"
        found = rig.kubectl("-n", self.team, "get", "pods", "-l", wanted, "-o", "json")
        ips = [one["status"].get("podIP") for one in json.loads(found)["items"]]
        return f"http://{ips[0]}:8080" if ips else ""

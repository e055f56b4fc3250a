"""A console in a thread before the real API server, with models and people with rights."""

from __future__ import annotations

import base64
import contextlib
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from recommender_console import process
from recommender_console.settings import Settings
from tests.integration import operator_api_rig as rig
from tests.integration.model_objects import put, put_version
from tests.integration.threaded import in_thread
from tests.unit.recommender_console import samples
from tests.unit.recommender_kubectl.samples import EXPERIMENT

READ = ("get", "list", "watch")


@dataclass(frozen=True)
class Console:
    """A running console and the tokens of three people: who reads, who acts, and somebody else."""

    url: str
    namespace: str
    viewer: str
    editor: str
    nobody: str


@contextlib.contextmanager
def served(folder: pathlib.Path, namespaces: tuple[str, ...] = ()) -> Iterator[str]:
    """Run a console; yields its URL."""
    config = yaml.safe_load(rig.kubeconfig().read_text(encoding="utf-8"))
    cluster = config["clusters"][0]["cluster"]
    authority = folder / "ca.crt"
    authority.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    settings = Settings(
        port=0, api_server=cluster["server"], ca_file=str(authority), namespaces=namespaces,
        log_level="INFO", log_format="text",
    )  # fmt: skip
    with in_thread(lambda: process.served(settings, "127.0.0.1")) as url:
        yield url


def token(namespace: str, account: str, resources: str, *verbs: str) -> str:
    """Return the token of a new account that may do so much in its namespace."""
    rig.kubectl("-n", namespace, "create", "serviceaccount", account)
    if verbs:
        given = (f"--verb={','.join(verbs)}", f"--resource={resources}")
        rig.kubectl("-n", namespace, "create", "role", account, *given)
        subject = f"--serviceaccount={namespace}:{account}"
        rig.kubectl(
            "-n", namespace, "create", "rolebinding", account, f"--role={account}", subject
        )
    return rig.kubectl("-n", namespace, "create", "token", account).strip()


def people(namespace: str) -> tuple[str, str, str]:
    """Return the tokens of a viewer, an editor and somebody without rights."""
    both = "recommendermodels.recommender.dev,modelversions.recommender.dev"
    return (
        token(namespace, "viewer", both, *READ),
        token(namespace, "editor", both, *READ, "patch"),
        token(namespace, "nobody", both),
    )


def put_world(namespace: str, name: str = "movies", **status: Any) -> None:
    """Create a model with its versions, as an operator would leave them."""
    spec = {k: v for k, v in samples.MODEL["spec"].items() if k not in ("data", "storage")}
    model = rig.manifest(namespace, name, **spec)
    # No operator of another test may look after it.
    model["metadata"]["labels"] = {"recommender.dev/instance": "none"}
    put("recommendermodels", model, {**samples.MODEL["status"], **status})
    bodies = samples.versions()
    bodies[-1]["status"]["experiment"] = EXPERIMENT
    for body in bodies:
        put_version(namespace, body, name)

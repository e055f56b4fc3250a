"""The first steps of a reader of the how-to pages: a release, its operator and three versions."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator

import yaml

from tests.integration import operator_account as account
from tests.integration import operator_api_rig as rig
from tests.integration import page_nodes
from tests.integration.operator_process import Process
from tests.integration.page_world import World


def adopt_definitions(world: World) -> None:
    """Let Helm take over CRDs and policy, which the API server of the tests has already."""
    files = ("-f", str(rig.CRDS))
    # Drops the labels of another release that a test of the chart applied.
    rig.kubectl("apply", "--server-side", "--force-conflicts", *files)
    rig.kubectl("label", "--overwrite", *files, "app.kubernetes.io/managed-by=Helm")
    rig.kubectl(
        "annotate", "--overwrite", *files, "meta.helm.sh/release-name=recommender",
        f"meta.helm.sh/release-namespace={world.system}",
    )  # fmt: skip


def _account(world: World) -> account.Account:
    shown = world.type(f"helm get manifest recommender --namespace {world.system}")
    manifests = yaml.load_all(shown, Loader=yaml.CSafeLoader)
    return account.Account(tuple(each for each in manifests if each), world.system)


@contextlib.contextmanager
def opened(folder: pathlib.Path) -> Iterator[World]:
    """Follow the page on the installation, and give the reader three versions that served."""
    world = World(folder)
    adopt_definitions(world)
    world.model_file()
    log = folder / "nodes.log"
    with page_nodes.played(world.config, log, world.team, world.system, world.others.values()):
        with world.reading("install") as page:
            page.next("helm install recommender")
            world.claims(world.team)
            release = _account(world)
            process = Process(
                release.config(folder), folder, f"{world.team},{world.system}",
                of=release, namespace=world.system,
            )  # fmt: skip
            with process.running():
                page.next("kubectl apply -f movies.yaml")
                world.promoted()
                world.promoted()
                yield world
                _leave(world)
        assert "Traceback" not in process.text, process.text[-3000:]


def _leave(world: World) -> None:
    """Leave nothing that another operator would act on, or that all namespaces share."""
    for namespace in (world.team, world.system):
        rig.kubectl("-n", namespace, "delete", "recommendermodels", "--all", "--timeout=60s")
    rig.kubectl(
        "delete", "clusterroles", "--ignore-not-found", "recommender-models-admin",
        "recommender-models-edit", "recommender-models-view",
    )  # fmt: skip

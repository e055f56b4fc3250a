"""JobSet and Kubeflow Trainer: their controllers as host processes, like KServe's."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.cluster import objects, processes, settings
from tests.cluster.binaries import Binaries
from tests.cluster.controlplane import http_ready
from tests.cluster.groups import JOBSET, TRAINER, Group
from tests.cluster.objects import Kubectl, Manifest
from tests.cluster.pki import Authority
from tests.cluster.processes import Part
from tests.cluster.progress import step
from tests.cluster.settings import Layout


@dataclasses.dataclass(frozen=True)
class Controller:
    """One of the two. `config` is the group and version of its configuration file."""

    group: Group
    config: str
    webhook_port: int
    health_port: int
    resources: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.group.name

    @property
    def user(self) -> str:
        return f"recommender:{self.name}"

    @property
    def executable(self) -> str:
        return self.group.commands[0][0]


JOB_SETS = Controller(
    JOBSET,
    "config.jobset.x-k8s.io/v1alpha1",
    settings.JOBSET_WEBHOOK_PORT,
    settings.JOBSET_HEALTH_PORT,
    ("jobsets.jobset.x-k8s.io",),
)
TRAIN_JOBS = Controller(
    TRAINER,
    "config.trainer.kubeflow.org/v1alpha1",
    settings.TRAINER_WEBHOOK_PORT,
    settings.TRAINER_HEALTH_PORT,
    (
        "clustertrainingruntimes.trainer.kubeflow.org",
        "trainingruntimes.trainer.kubeflow.org",
        "trainjobs.trainer.kubeflow.org",
    ),
)
CONTROLLERS = (JOB_SETS, TRAIN_JOBS)
EXECUTABLES = tuple(controller.executable for controller in CONTROLLERS)


def is_installed(layout: Layout) -> bool:
    return _stamp(layout).exists()


def _stamp(layout: Layout) -> Path:
    return layout.state / "with-trainer"


def install(layout: Layout, built: Binaries) -> None:
    """Apply the CRDs, the rights and the webhooks, and start the controllers."""
    kubectl = Kubectl(built.path("kubectl"), layout.kubeconfig)
    _apply_crds(layout, built, kubectl)
    _stamp(layout).touch()
    parts = [manager(layout, built, controller) for controller in CONTROLLERS]
    for part in parts:
        processes.start(layout, part)
    for controller, part in zip(CONTROLLERS, parts, strict=True):
        # The webhooks come after their servers, because without these they deny everything.
        kubectl.apply(objects.dump(role(built, controller)))
        processes.wait_ready(layout, part)
        kubectl.apply(objects.dump(webhooks(layout, built, controller)))


def _apply_crds(layout: Layout, built: Binaries, kubectl: Kubectl) -> None:
    files = [file for c in CONTROLLERS for file in built.manifests(c.group, "crds")]
    stamp, key = layout.state / "crds-trainer", "\n".join(map(str, files))
    if stamp.exists() and stamp.read_text() == key:
        return
    with step("CRDs of JobSet and Trainer served"):
        kubectl.apply_files(files)
        kubectl.wait_served(name for c in CONTROLLERS for name in c.resources)
    stamp.write_text(key)


def role(built: Binaries, controller: Controller) -> list[Manifest]:
    """The role of the module, renamed, for the controller's user."""
    (found,) = objects.read(built.manifests(controller.group, "system-role"))
    found["metadata"] = {"name": controller.user}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": controller.user},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": controller.user,
        },
        "subjects": [
            {"kind": "User", "name": controller.user, "apiGroup": "rbac.authorization.k8s.io"}
        ],
    }
    return [found, binding]


def webhooks(layout: Layout, built: Binaries, controller: Controller) -> list[Manifest]:
    authority = Authority(layout.pki).certificate.read_bytes()
    documents = objects.read(built.manifests(controller.group, "system-webhooks"))
    return rewrite(documents, controller, authority)


def rewrite(
    documents: Iterable[Manifest], controller: Controller, authority: bytes
) -> list[Manifest]:
    """The webhook configurations, named after the controller and served by the host process."""

    def change(manifest: Manifest) -> Manifest | None:
        if not manifest["kind"].endswith("WebhookConfiguration"):
            return None
        manifest["metadata"] = {"name": f"{controller.name}.{settings.INGRESS_DOMAIN}"}
        objects.call_at(manifest, f"https://127.0.0.1:{controller.webhook_port}", authority)
        return manifest

    return objects.edit(documents, change)


def configuration(controller: Controller) -> Manifest:
    """One replica with an existing certificate and without metrics."""
    certificates = "internalCertManagement" if controller is JOB_SETS else "certManagement"
    return {
        "apiVersion": controller.config,
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": f"127.0.0.1:{controller.health_port}"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"port": controller.webhook_port, "host": "127.0.0.1"},
        "leaderElection": {"leaderElect": False},
        certificates: {"enable": False},
    }


def manager(layout: Layout, built: Binaries, controller: Controller) -> Part:
    """The controller; it needs its CRDs at its start."""
    authority = Authority(layout.pki)
    folder = layout.state / controller.name
    kubeconfig = authority.kubeconfig(
        layout.state / f"{controller.name}.kubeconfig", layout.api_url, controller.user
    )
    certificate, key = authority.issue(
        f"{controller.name}-webhook", controller.name, hosts=("127.0.0.1",)
    )
    # controller-runtime looks for them in the temporary folder.
    serving = folder / "k8s-webhook-server" / "serving-certs"
    serving.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(certificate, serving / "tls.crt")
    shutil.copyfile(key, serving / "tls.key")
    config = folder / "config.yaml"
    config.write_text(objects.dump([configuration(controller)]))
    ready = http_ready(f"http://127.0.0.1:{controller.health_port}/readyz")
    return Part(
        controller.name,
        [
            str(built.path(controller.executable)),
            f"--kubeconfig={kubeconfig}",
            f"--config={config}",
        ],
        ready,
        {"TMPDIR": str(folder)},
    )

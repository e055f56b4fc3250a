"""The local cluster: up, down and status."""

from __future__ import annotations

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cluster import (
    apiserver,
    binaries,
    controlplane,
    gateway,
    host,
    imagestore,
    knative,
    kserve,
    metrics,
    node,
    objects,
    packages,
    policies,
    preflight,
    processes,
    prometheus,
    settings,
    teardown,
    trainer,
)
from tests.cluster.binaries import Binaries
from tests.cluster.groups import (
    GATEWAY,
    KNATIVE,
    KSERVE,
    Extras,
    cluster_groups,
)
from tests.cluster.objects import Kubectl
from tests.cluster.pki import Authority
from tests.cluster.processes import Part
from tests.cluster.progress import say, step
from tests.cluster.settings import Layout

CONTROL_PLANE = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
# The controllers check for these only at their start.
RESOURCES = (
    "gatewayclasses.gateway.networking.k8s.io",
    "gateways.gateway.networking.k8s.io",
    "httproutes.gateway.networking.k8s.io",
    "clusterservingruntimes.serving.kserve.io",
    "clusterstoragecontainers.serving.kserve.io",
    "inferenceservices.serving.kserve.io",
)
KNATIVE_RESOURCES = (
    "ingresses.networking.internal.knative.dev",
    "images.caching.internal.knative.dev",
    "services.serving.knative.dev",
)
EXECUTABLES = (
    *sorted(CONTROL_PLANE),
    "containerd",
    "kubelet",
    "kube-proxy",
    "storage",
    "traefik",
    "kserve-manager",
)


def setup_key(extras: Extras) -> str:
    """A key that changes with everything that `up` does with these extras."""
    digest = hashlib.sha256(repr(extras).encode())
    here = settings.HERE
    for path in sorted([*here.glob("*.py"), *here.glob("manifests/*"), *here.glob("go/*/*")]):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def is_up(layout: Layout, extras: Extras) -> bool:
    """Whether a cluster with exactly this set-up runs and responds."""
    stamp = layout.ready_stamp
    if not stamp.exists() or stamp.read_text() != setup_key(extras):
        return False
    needed = {*EXECUTABLES}
    needed |= set() if policies.unenforced(layout) else {policies.NAME}
    needed |= {*trainer.EXECUTABLES} if extras.trainer else set()
    needed |= {metrics.NAME} if extras.metrics else set()
    needed |= {prometheus.NAME} if extras.prometheus else set()
    if not needed <= {process.executable for process in processes.running(layout.state)}:
        return False
    return controlplane.https_ready(layout, f"{layout.api_url}/readyz")() is None


def up(wanted: Extras) -> Layout:
    """Start the cluster, or its missing parts."""
    layout = settings.cluster_layout()
    with processes.locked(layout):
        # Running parts stay: others may use them.
        extras = Extras(
            knative=wanted.knative or has_knative(layout),
            trainer=wanted.trainer or trainer.is_installed(layout),
            metrics=wanted.metrics or metrics.is_installed(layout),
            prometheus=wanted.prometheus or prometheus.is_installed(layout),
        )
        if is_up(layout, extras):
            say("the cluster is up")
            return layout
        groups = cluster_groups(extras)
        preflight.check(binaries.is_cold(groups))
        packages.ensure_packages()
        built = binaries.ensure(groups)
        if layout.state.exists() and not processes.running(layout.state):
            # For example after a reboot: its pods, mounts and addresses are gone or stale.
            with step("removed the remains of a dead cluster"):
                teardown.clear(layout)
        layout.state.mkdir(parents=True, exist_ok=True)
        layout.state.chmod(0o755)  # volumes below it must be reachable by every pod
        layout.ready_stamp.unlink(missing_ok=True)
        _start(layout, built, extras.knative)
        policies.install(layout, built)
        if extras.trainer:
            trainer.install(layout, built)
        if extras.metrics:
            metrics.install(layout, built)
        if extras.prometheus:
            prometheus.install(layout)
        layout.ready_stamp.write_text(setup_key(extras))
    say(f"the cluster is up: KUBECONFIG={layout.kubeconfig}  gateway {gateway_url()}")
    return layout


def has_knative(layout: Layout) -> bool:
    return (layout.state / "knative").exists()


def gateway_url() -> str:
    """The base URL of the Gateway's entry point, as seen from this machine."""
    return f"http://127.0.0.1:{settings.GATEWAY_PORT}"


def _start(layout: Layout, built: Binaries, with_knative: bool) -> None:
    """Launch first and wait later, so that the parts start in parallel."""
    Authority(layout.pki).prepare()
    host.prepare_host(layout)
    containerd = node.containerd(layout)
    containerd_started = processes.start(layout, containerd)
    apiserver.start(layout, built, with_node=True)
    kubectl = Kubectl(built.path("kubectl"), layout.kubeconfig)
    with ThreadPoolExecutor(1) as pool:
        # The CRDs have megabytes of schema, which keep the API server busy for seconds.
        crds = pool.submit(_apply_crds, layout, built, kubectl, with_knative)
        parts = [
            controlplane.controller_manager(layout, built),
            controlplane.scheduler(layout, built),
            node.kube_proxy(layout, built),
        ]
        for part in parts:
            processes.start(layout, part)
        processes.wait_ready(layout, containerd)
        if containerd_started:
            _forget_dead_pods(layout, containerd)
        imagestore.import_images(layout, built, imagestore.system_images(with_knative))
        parts += [node.kubelet(layout, built), node.storage(layout, built)]
        for part in parts:
            processes.start(layout, part)
        with step("platform applied"):
            kubectl.apply(platform())
        crds.result()
    _install(layout, built, kubectl, with_knative)
    for part in parts:
        processes.wait_ready(layout, part)
    _wait_platform(kubectl, with_knative)


def platform() -> str:
    """Storage class and CoreDNS."""
    return objects.fill(
        (settings.MANIFESTS / "platform.yaml").read_text(),
        {
            "dns_domain": settings.DNS_DOMAIN,
            "dns_ip": settings.DNS_IP,
            "coredns": imagestore.COREDNS.name,
        },
    )


def _apply_crds(layout: Layout, built: Binaries, kubectl: Kubectl, with_knative: bool) -> None:
    files = crd_files(built, with_knative)
    # The paths hold the keys of what they were made from. Applying megabytes of equal
    # schema keeps a busy machine occupied for many seconds.
    stamp, key = layout.state / "crds", "\n".join(map(str, files))
    if stamp.exists() and stamp.read_text() == key:
        return
    with step("CRDs served"):
        kubectl.apply_files(files)
        kubectl.wait_served(RESOURCES + KNATIVE_RESOURCES if with_knative else RESOURCES)
    stamp.write_text(key)


def _forget_dead_pods(layout: Layout, containerd: Part) -> None:
    """After a crash or a `down` the store may still list containers that no longer run.

    A containerd that restarts while shims run keeps its pods, because they have tasks.
    """
    tasks = imagestore.ctr(layout, "tasks", "ls", "-q").split()
    names = imagestore.ctr(layout, "containers", "ls", "-q").split()
    if tasks or not names:
        return
    imagestore.ctr(layout, "containers", "rm", *names)
    # Its CRI plugin reads the list only at its start.
    processes.stop([p for p in processes.running(layout.state) if p.executable == "containerd"])
    root = node.image_store(layout) / "io.containerd.grpc.v1.cri"
    shutil.rmtree(root, ignore_errors=True)
    processes.run_part(layout, containerd)


def _install(layout: Layout, built: Binaries, kubectl: Kubectl, with_knative: bool) -> None:
    """The parts that need the CRDs: Gateway, Knative, KServe and their controllers."""
    if with_knative:
        with step("Knative applied"):
            kubectl.apply(objects.dump(knative.system(built)))
        (layout.state / "knative").touch()
    with step("Gateway and KServe applied"):
        kubectl.apply("\n---\n".join([gateway.system(), kserve.system(layout, built)]))
    parts = [
        gateway.traefik(layout, built, with_knative),
        kserve.manager(layout, built, with_knative),
    ]
    for part in parts:
        processes.start(layout, part)
    for part in parts:
        processes.wait_ready(layout, part)


def crd_files(built: Binaries, with_knative: bool) -> list[Path]:
    """All CRDs of the platform."""
    files = built.manifests(GATEWAY, "crds") + built.manifests(KSERVE, "crds")
    return files + built.manifests(KNATIVE, "crds") if with_knative else files


def _wait_platform(kubectl: Kubectl, with_knative: bool) -> None:
    with step("node Ready"):
        kubectl("wait", "--for=condition=Ready", f"node/{settings.NAME}", "--timeout=90s")
    with step("CoreDNS ready"):
        kubectl("rollout", "status", "-n", "kube-system", "deployment/coredns", "--timeout=90s")
    with step("Gateway programmed"):
        kubectl(
            "wait", "-n", gateway.NAMESPACE, "--for=condition=Programmed",
            f"gateway/{gateway.PUBLIC_SERVICE}", "--timeout=60s",
        )  # fmt: skip
    if with_knative:
        with step("Knative ready"):
            for name in ("webhook", "controller", "autoscaler", "activator"):
                kubectl(
                    "rollout", "status", "-n", knative.NAMESPACE, f"deployment/{name}",
                    "--timeout=120s",
                )  # fmt: skip


def status() -> tuple[str, bool]:
    """Return the status as text, and whether everything runs."""
    layout = settings.cluster_layout()
    found = {p.executable: p.pid for p in processes.running(layout.state)}
    lines = [
        f"{name:26} " + (f"runs, pid {found[name]}" if name in found else "does not run")
        for name in EXECUTABLES
    ]
    ready = layout.ready_stamp.exists() and set(found) >= set(EXECUTABLES)
    lines += [
        f"{name:26} {'installed' if installed else 'not installed'}"
        for name, installed in (
            ("knative", has_knative(layout)),
            ("trainer", trainer.is_installed(layout)),
            (metrics.NAME, metrics.is_installed(layout)),
            (prometheus.NAME, prometheus.is_installed(layout)),
        )
    ]
    refused = policies.unenforced(layout)
    lines.append(f"{policies.NAME:26} {refused or found.get(policies.NAME, 'does not run')}")
    lines.append(f"kubeconfig {layout.kubeconfig}\ngateway    {gateway_url()}")
    lines.append(f"logs       {layout.logs}\n{'UP' if ready else 'NOT UP'}")
    return "\n".join(lines), ready

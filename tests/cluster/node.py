"""The node: containerd, kubelet and kube-proxy as host processes, and its volumes."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import imagestore, settings
from tests.cluster.binaries import Binaries
from tests.cluster.controlplane import http_ready
from tests.cluster.errors import ClusterError
from tests.cluster.pki import Authority
from tests.cluster.processes import Part
from tests.cluster.settings import Layout


def containerd_version() -> str:
    """The Debian version of containerd: its image store is kept apart from other ones."""
    result = subprocess.run(
        ["containerd", "--version"], capture_output=True, text=True, check=False
    )
    words = result.stdout.split()
    return words[2] if len(words) > 2 else "unknown"


def image_store(layout: Layout) -> Path:
    """containerd's root: images of several gigabytes stay here when the cluster is down."""
    return layout.cache / "containerd" / containerd_version()


def containerd(layout: Layout) -> Part:
    """containerd with a separate root, state and socket."""
    folder = layout.state / "containerd"
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "config.toml"
    text = (
        (settings.MANIFESTS / "containerd.toml")
        .read_text()
        .format(
            root=image_store(layout),
            folder=folder,
            socket=layout.containerd_socket,
            pause=imagestore.PAUSE.name,
            plugins=settings.CNI_PLUGINS,
            networks=layout.state / "cni" / "net.d",
        )
    )
    networks = layout.state / "cni" / "net.d"
    networks.mkdir(parents=True, exist_ok=True)
    _write(networks / "10-recommender.conflist", json.dumps(cni_network(layout), indent=1))
    key = _write(configuration, text)

    def ready() -> str | None:
        try:
            imagestore.ctr(layout, "version")
        except ClusterError as error:
            return str(error)
        return None

    executable = shutil.which("containerd") or "/usr/bin/containerd"
    return Part(
        "containerd", [executable, "--config", str(configuration)], ready, key, urgent=False
    )


def cni_network(layout: Layout) -> dict[str, Any]:
    """Pods on one bridge; each can reach itself through its Service (hairpin)."""
    return {
        "cniVersion": "0.4.0",
        "name": settings.CNI_NETWORK,
        "plugins": [
            {
                "type": "bridge",
                "bridge": settings.BRIDGE,
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(layout.state / "cni" / "addresses"),
                    "ranges": [[{"subnet": settings.POD_CIDR, "gateway": settings.NODE_IP}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def kubelet(layout: Layout, binaries: Binaries) -> Part:
    """The kubelet, with everything it writes below our state folder."""
    authority = Authority(layout.pki)
    certificate, key = authority.issue(
        "kubelet", "kubelet", hosts=(settings.NODE_IP, "127.0.0.1", settings.NAME)
    )
    kubeconfig = authority.kubeconfig(
        layout.state / "kubelet.kubeconfig",
        layout.api_url,
        f"system:node:{settings.NAME}",
        "system:nodes",
    )
    resolver = layout.state / "resolv.conf"
    resolver.write_text(upstream_resolvers(Path("/etc/resolv.conf").read_text()))
    configuration = layout.state / "kubelet.yaml"
    text = yaml.safe_dump(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(authority.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "address": settings.NODE_IP,
            "port": settings.KUBELET_PORT,
            "readOnlyPort": 0,
            "healthzPort": settings.KUBELET_HEALTH_PORT,
            "healthzBindAddress": "127.0.0.1",
            "tlsCertFile": str(certificate),
            "tlsPrivateKeyFile": str(key),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{settings.CGROUP}",
            "failCgroupV1": False,
            "failSwapOn": False,
            # Lowering it needs CAP_SYS_RESOURCE, which a sandboxed machine may lack.
            "oomScoreAdj": 0,
            "clusterDNS": [settings.DNS_IP],
            "clusterDomain": settings.DNS_DOMAIN,
            "resolvConf": str(resolver),
            "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
            "podLogsDir": str(layout.state / "pod-logs"),
            "volumePluginDir": str(layout.state / "volume-plugins"),
            "nodeStatusUpdateFrequency": "2s",
            # Maximum age of the volume sizes that evictions use; a minute by default.
            "volumeStatsAggPeriod": "10s",
            "serializeImagePulls": False,
            # Images are imported and cannot be pulled again, so they are never garbage-collected.
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "evictionHard": {
                "memory.available": "200Mi",
                "nodefs.available": "1Gi",
                "imagefs.available": "1Gi",
            },
            "maxPods": 200,
        },
    )
    return Part(
        "kubelet",
        [
            str(binaries.path("kubelet")),
            f"--config={configuration}",
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={settings.NAME}",
            f"--node-ip={settings.NODE_IP}",
            f"--root-dir={layout.state / 'kubelet'}",
        ],
        http_ready(f"http://127.0.0.1:{settings.KUBELET_HEALTH_PORT}/healthz"),
        _write(configuration, text),
        urgent=False,
    )


def kube_proxy(layout: Layout, binaries: Binaries) -> Part:
    """kube-proxy in iptables mode."""
    kubeconfig = Authority(layout.pki).kubeconfig(
        layout.state / "kube-proxy.kubeconfig", layout.api_url, "system:kube-proxy"
    )
    configuration = layout.state / "kube-proxy.yaml"
    text = yaml.safe_dump(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clusterCIDR": settings.POD_CIDR,
            "hostnameOverride": settings.NAME,
            "bindAddress": settings.NODE_IP,
            "healthzBindAddress": f"127.0.0.1:{settings.PROXY_HEALTH_PORT}",
            "metricsBindAddress": f"127.0.0.1:{settings.PROXY_METRICS_PORT}",
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "oomScoreAdj": 0,
            # Node ports at 127.0.0.1 would require a machine-wide setting.
            "nodePortAddresses": ["primary"],
            "iptables": {"localhostNodePorts": False},
            # Leave the machine's connection tracking limits alone.
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
        },
    )
    return Part(
        "kube-proxy",
        [str(binaries.path("kube-proxy")), f"--config={configuration}"],
        http_ready(f"http://127.0.0.1:{settings.PROXY_HEALTH_PORT}/healthz"),
        _write(configuration, text),
    )


def storage(layout: Layout, binaries: Binaries) -> Part:
    """The provisioner of the default StorageClass."""
    kubeconfig = Authority(layout.pki).kubeconfig(
        layout.state / "storage.kubeconfig", layout.api_url, "recommender:storage"
    )
    root = layout.state / "volumes"
    root.mkdir(exist_ok=True)
    return Part(
        "storage",
        [
            str(binaries.path("storage")),
            f"--kubeconfig={kubeconfig}",
            f"--root={root}",
            f"--node={settings.NAME}",
        ],
    )


def upstream_resolvers(text: str) -> str:
    """The machine's name servers for pods; a loopback address would be the pod itself."""
    servers = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            address = words[1].partition("%")[0]
            if not ipaddress.ip_address(address).is_loopback:
                servers.append(line.strip())
    # CoreDNS does not start without one; an unreachable one fails only external names.
    return "\n".join(servers or ["nameserver 192.0.2.1"]) + "\n"


def _write(path: Path, text: str) -> dict[str, str]:
    """Write a configuration file; returns its contribution to the key of the part.

    An equal file is not rewritten, because kube-proxy exits when its file changes.
    """
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return {"CONFIGURATION": hashlib.sha256(text.encode()).hexdigest()[:16]}

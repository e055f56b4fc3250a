"""Renders the Helm chart with the Helm that the local cluster is installed with."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.downloads import ensure_package_binaries

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "charts" / "recommender-operator"

DIGEST = "sha256:" + "0123456789abcdef" * 4
#: By digest alone, and with a tag for people.
DIGESTS = {f"images.{role}.digest": DIGEST for role in ("operator", "training", "triton")}
CLUSTER_WIDE = {"clusterWide": "true"}
EVERYTHING = {
    **CLUSTER_WIDE,
    **DIGESTS,
    "rbac.aggregate": "true",
    "metrics.serviceMonitor.enabled": "true",
    "metrics.podMonitor.enabled": "true",
    "metrics.prometheusRule.enabled": "true",
    "networkPolicy.enabled": "true",
    "keda.enabled": "true",
    "keda.prometheusUrl": "http://prometheus.monitoring:9090/",
}
NAMESPACED = {"watchNamespaces": "{shop,news}", "imagePullSecrets": "{registry}"}
MODES = {"defaults": {}, "namespaced": NAMESPACED, "everything": EVERYTHING}
Manifest = dict[str, Any]


@cache
def helm() -> str:
    return str(ensure_package_binaries()["helm"])


def run_helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([helm(), *arguments], capture_output=True, text=True, check=False)


def _option(key: str, values: dict[str, str]) -> str:
    if values[key] == "[]":
        return "--set-json"
    # Helm takes a tag of digits for a number.
    return "--set-string" if key.endswith(".tag") else "--set"


def template(
    values: dict[str, str],
    chart: Path = CHART,
    namespace: str = "recommender-system",
    release: str = "recommender",
) -> subprocess.CompletedProcess[str]:
    settings = [word for key in values for word in (_option(key, values), f"{key}={values[key]}")]
    return run_helm("template", release, str(chart), "-n", namespace, *settings)


@cache
def rendered_text(mode: str) -> str:
    done = template(MODES[mode])
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def rendered(mode: str) -> tuple[Manifest, ...]:
    """Return the manifests; all callers get the same ones, so none may change them."""
    # The same loader, compiled: the CRDs are long.
    loaded = yaml.load_all(rendered_text(mode), Loader=yaml.CSafeLoader)
    return tuple(found for found in loaded if found)


def manifests(
    values: dict[str, str], namespace: str = "recommender-system", release: str = "recommender"
) -> list[Manifest]:
    """Return what the chart renders with these values."""
    done = template(values, namespace=namespace, release=release)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if found]


def of_kind(mode: str, *kinds: str) -> list[Manifest]:
    return [manifest for manifest in rendered(mode) if manifest["kind"] in kinds]

"""What krew demands of a manifest.

The rules are those of `internal/index/validation/validate.go` in kubernetes-sigs/krew (0.5), and
of its guides for the names and the descriptions of plugins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

API = "krew.googlecontainertools.github.com/v1alpha2"
WINDOWS = {"CON", "PRN", "AUX", "NUL"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in range(10)
}
VERSION = r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?"
SYSTEMS = {"linux", "darwin", "windows"}
#: Characters of a short description; more is cut off in `kubectl krew search`.
SHORT = 60


class RuleError(Exception):
    """A manifest that krew refuses."""


def check(name: str, manifest: Mapping[str, Any]) -> None:
    """Check a manifest of the plugin with a name, which is also that of its file.

    Raises:
        RuleError: krew would refuse it.
    """
    spec = manifest.get("spec", {})
    _must(manifest.get("apiVersion") == API, f"apiVersion is not {API}")
    _must(manifest.get("kind") == "Plugin", "kind is not Plugin")
    _must(re.fullmatch(r"[a-z][a-z0-9-]*", name) and name.upper() not in WINDOWS, "unsafe name")
    _must(manifest.get("metadata", {}).get("name") == name, "the name is not that of the file")
    _must(not name.startswith(("kube", "kubectl")), "the name begins with kube")
    short = spec.get("shortDescription", "")
    _must(short and not re.search(r"[\r\n]", short), "shortDescription is empty or has lines")
    _must(
        len(short) <= SHORT and not short.endswith("."), "shortDescription is long or a sentence"
    )
    _must(re.fullmatch(VERSION, str(spec.get("version", ""))), "version is not vMAJOR.MINOR.PATCH")
    _must(str(spec.get("homepage", "")).startswith("https://"), "homepage is not https")
    _must(spec.get("platforms"), "there are no platforms")
    for platform in spec["platforms"]:
        _check_platform(platform)


def _check_platform(platform: Mapping[str, Any]) -> None:
    uri = str(platform.get("uri", ""))
    _must(re.fullmatch(r"https://\S+\.(tar\.gz|zip)", uri), "uri is not an archive over https")
    _must(re.fullmatch(r"[a-f0-9]{64}", str(platform.get("sha256", ""))), "sha256 is none")
    parts = str(platform.get("bin", "")).split("/")
    _must(all(parts) and ".." not in parts, "bin is empty or leaves the folder")
    if "files" in platform:
        _must(platform["files"], "files is empty")
        _must(
            all(f.get("from") and f.get("to") for f in platform["files"]), "files has no from, to"
        )
    selector = platform.get("selector") or {}
    _must(selector and all(selector.values()), "selector is empty")
    labels = selector.get("matchLabels", {})
    keys = {*labels, *(each["key"] for each in selector.get("matchExpressions", ()))}
    _must(keys <= {"os", "arch"}, "selector has other keys than os and arch")
    _must("os" not in labels or labels["os"] in SYSTEMS, "selector has an unknown os")


def _must(holds: object, otherwise: str) -> None:
    if not holds:
        raise RuleError(otherwise)

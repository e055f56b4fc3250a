"""`open`: the page of a model or of a version in the console."""

from __future__ import annotations

import argparse
import os
import re
import webbrowser
from collections.abc import Sequence
from urllib.parse import quote

from recommender_kubectl.cluster import Cluster, ClusterError
from recommender_kubectl.console import Console
from recommender_kubectl.objects import Model, Version
from recommender_kubectl.views.why import NoVersionError

#: Where the console is: `--console`, this variable, or what docs/console.md forwards a port to.
VARIABLE, FORWARDED = "RECOMMENDER_CONSOLE_URL", "http://localhost:8080"
#: Narrow, so that the browser opens the host that one reads.
_BASE = r"https?://([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?"


def open_page(cluster: Cluster, console: Console, given: argparse.Namespace) -> int:
    """Print the address of a page and, unless told otherwise, open it in a browser."""
    base = given.console or os.environ.get(VARIABLE) or FORWARDED
    model = cluster.model(given.model)
    version = reported(model) if given.report and given.version is None else given.version
    versions = cluster.versions(given.model) if version is not None else []
    url = address(base, model, versions, version) + ("/report" if given.report else "")
    console.show({"url": url}, [url])
    if not given.print and not webbrowser.open(url):
        console.complain("no browser could be started: open the address yourself")
    return 0


def reported(model: Model) -> str:
    """Return the version whose report one wants who names none.

    Raises:
        NoVersionError: the model has neither a candidate nor a champion.
    """
    found = model.candidate or model.champion
    if found is None:
        raise NoVersionError(f"{model.name} has neither a candidate nor a champion yet")
    return found


def address(base: str, model: Model, versions: Sequence[Version], version: str | None) -> str:
    """Return the address of a model's page, or of a version's.

    Raises:
        ClusterError: the base is no address.
        NoVersionError: the model has no such version.
    """
    if re.fullmatch(_BASE, base) is None:
        raise ClusterError(
            f"{base!r} is not a console address (--console, {VARIABLE}), such as {FORWARDED}"
        )
    page = f"{base.rstrip('/')}/models/{quote(model.namespace)}/{quote(model.name)}"
    if version is None:
        return page
    names = sorted(one.name for one in versions)
    if version not in names:
        known = ", ".join(names) or "none"
        raise NoVersionError(f"{model.name} has no version {version!r}; versions: {known}")
    return f"{page}/versions/{quote(version)}"

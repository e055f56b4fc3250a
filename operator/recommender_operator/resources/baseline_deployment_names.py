"""Names of a fresh champion: a new deployment of the champion's version beside a candidate.

It is no version of its own: it has the artifact, the counters' label `version` and the impressions
of the champion. Only its objects have another name, which is also their label
`recommender.dev/version`, so that its pods, policies and budgets are not those of the champion.
"""

from __future__ import annotations

#: Short, because `<version>-f-transformer` must fit a DNS label (63). The last part of a version's
#: name has eight digits, so no version has such a name.
SUFFIX = "-f"


def deployment(version: str) -> str:
    """Return the name of the fresh deployment of a version."""
    return f"{version}{SUFFIX}"


def is_fresh(deployment: str) -> bool:
    """Return whether a deployment is a fresh one, and not that of a version itself."""
    return deployment.endswith(SUFFIX)


def version_of(deployment: str) -> str:
    """Return the version that a deployment serves."""
    return deployment.removesuffix(SUFFIX)

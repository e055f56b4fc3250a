"""Checks that a report is that of a version, and reasons that there is none: pure."""

from __future__ import annotations

import hashlib
import json
import re

from recommender_contract.artifact import MANIFEST, REPORT_PAGE

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class NoReportError(Exception):
    """There is no report to show: `status` is that of the page, and `remedy` what helps."""

    def __init__(self, status: int, why: str, remedy: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.remedy = remedy


def digits(artifact_digest: str) -> str:
    """Return the hexadecimal digits of the digest of a version's artifact.

    Raises:
        NoReportError: the version has no artifact.
    """
    found = _DIGEST.fullmatch(artifact_digest)
    if found is None:
        raise NoReportError(
            404,
            "This version has no published artifact, and the report is a part of it.",
            "A version is published after its gates. If its training succeeded, the report is "
            "in the folder below, on the claim of the artifact store; docs/console.md says how "
            "to read it there.",
        )
    return found[1]


def listed(artifact: str, manifest: bytes) -> str:
    """Return the report's digest by the manifest that an artifact's digest stands for.

    Raises:
        NoReportError: the manifest has other bytes than the training wrote, or lists no report.
    """
    if hashlib.sha256(manifest).hexdigest() != artifact:
        raise _changed(MANIFEST)
    found = _entry(manifest)
    if found is None:
        raise _changed(REPORT_PAGE)
    return found


def check_digest(digest: str, report: bytes) -> None:
    """Check a report against its digest by the manifest.

    Raises:
        NoReportError: it has other bytes than the training wrote.
    """
    if hashlib.sha256(report).hexdigest() != digest:
        raise _changed(REPORT_PAGE)


def _entry(manifest: bytes) -> str | None:
    try:
        for entry in json.loads(manifest)["files"]:
            if entry["path"] == REPORT_PAGE:
                return str(entry["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return None


def _changed(name: str) -> NoReportError:
    return NoReportError(
        502,
        f"{name} is not the file that was published: its digest differs from the one that the "
        "version records. The report is not shown.",
        "Find out what answered in place of the version's pod, or what changed its artifact. "
        "`recommender-serving verify` checks an artifact on the claim.",
    )

"""The report of an artifact with its manifest, by which whoever gets them can check them."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recommender_contract.artifact import MANIFEST, MAX_PUBLISHED_BYTES, REPORT_PAGE

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PublishedReport:
    """Both files, and the artifact's digest in hexadecimal digits."""

    digest: str
    files: Mapping[str, bytes] = field(repr=False)

    def file(self, digest: str, name: str) -> bytes | None:
        """Return a file for those who know the digest; None for all others and other names."""
        if not hmac.compare_digest(digest.encode(), self.digest.encode()):
            return None
        return self.files.get(name)


def read_report(folder: Path) -> PublishedReport | None:
    """Read both files; None if the artifact has no report that can be shown.

    Answers need neither file, so what is wrong with them is only logged.
    """
    files = {}
    for name in (MANIFEST, REPORT_PAGE):
        try:
            size = (folder / name).stat().st_size
            if size > MAX_PUBLISHED_BYTES:
                logger.warning("%s has %d bytes: the report is not shown", name, size)
                return None
            files[name] = (folder / name).read_bytes()
        except FileNotFoundError:
            return None  # an earlier release created it
        except OSError as error:
            logger.warning("%s cannot be read: %s", name, error.strerror)
            return None
    return PublishedReport(hashlib.sha256(files[MANIFEST]).hexdigest(), files)

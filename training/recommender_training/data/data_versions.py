"""Names of data versions: the Delta versions of the tables and a digest of the content.

A data version consists of the Delta versions of the three tables that training reads and a digest
of their content and of the declaration of their features: `i3.u1.t1-0123456789abcdef`. If places
of answers were explored, their table is the fourth: `i3.u1.t1.e2-0123456789abcdef`. The same
content always has the same data version, and newer versions never change an older one.
"""

from __future__ import annotations

import re

from recommender_training.common.errors import InputError

#: Pattern of a data version.
VERSION = r"^i([0-9]+)\.u([0-9]+)\.t([0-9]+)(?:\.e([0-9]+))?-([0-9a-f]{16})$"
#: The tables of a data version, in the order of their Delta versions in its name.
TABLES = ("interactions", "users", "items", "explored")


def name_version(
    interactions: int, users: int, items: int, digest: str, explored: int | None = None
) -> str:
    """Return the data version of these Delta versions and this digest."""
    fourth = "" if explored is None else f".e{explored}"
    return f"i{interactions}.u{users}.t{items}{fourth}-{digest}"


def table_versions(data_version: str) -> dict[str, int]:
    """Return the Delta version of each table in a data version."""
    numbers = zip(TABLES, _parse(data_version).groups()[:-1], strict=True)
    return {name: int(number) for name, number in numbers if number is not None}


def no_newer(data_version: str, than: str) -> bool:
    """Return True if no table of a data version is newer than in another one of the same lake."""
    limits = table_versions(than)
    found = table_versions(data_version)
    return all(number <= limits.get(name, -1) for name, number in found.items())


def digest_of(data_version: str) -> str:
    """Return the digest in a data version."""
    return str(_parse(data_version).groups()[-1])


def _parse(data_version: str) -> re.Match[str]:
    match = re.fullmatch(VERSION, data_version)
    if match is None:
        raise InputError(
            "DataVersionMissing",
            f"{data_version!r} is not a data version; use dataVersion from the report of `check`",
        )
    return match

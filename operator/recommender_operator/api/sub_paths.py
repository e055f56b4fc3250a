"""Paths inside a claim: their form, and where in it they may lie."""

from __future__ import annotations

import re
from collections.abc import Collection

#: Segments of letters, digits and `_.-` between single slashes. None starts with a dot, so
#: there is no `.` and no `..`; nor is there a slash at either end, a backslash or a blank.
PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"
MAX_LENGTH = 512
FORM = (
    "a path such as raw/films, relative to the root of the claim: letters, digits, '_', '.' and "
    "'-' between single slashes, no slash at either end, and no segment that starts with '.' "
    "or '-'"
)
#: Names of claims, which are DNS subdomains. They become part of addresses of the API server.
CLAIM_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
CLAIM_FORM = "the name of a PersistentVolumeClaim: letters in lower case, digits, '-' and '.'"
#: Folders at the root of a store that are the operator's.
OF_THE_STORE = ("artifacts", "lake", "staging")


def is_sub_path(path: str) -> bool:
    """Return whether a path has the form that a claim's folders may have."""
    return len(path) <= MAX_LENGTH and re.fullmatch(PATTERN, path) is not None


def is_claim_name(name: str) -> bool:
    """Return whether a text can be the name of a claim."""
    return re.fullmatch(CLAIM_PATTERN, name) is not None


def outside_of_store(path: str) -> str:
    """Return a path of raw data in the claim of the store.

    Raises:
        ValueError: it is none, or lies in a folder of the operator's.
    """
    if not is_sub_path(path):
        raise ValueError(f"data.source.path {path[:MAX_LENGTH]!r} must be {FORM}")
    if path.split("/")[0] in OF_THE_STORE:
        raise ValueError(
            f"data.source.path {path!r} lies in a folder of the operator's "
            f"({', '.join(OF_THE_STORE)}), and data.source.claimName is storage.claimName: put "
            "the raw data into another folder or another claim"
        )
    return path


def below(path: str, folder: str) -> str:
    """Return a path of the operator's own that is a folder or lies below it.

    Raises:
        ValueError: it does not.
    """
    return one_of(path, (folder,)) and path


def one_of(path: str, folders: Collection[str]) -> str:
    """Return the folder that a path is, or lies below.

    Raises:
        ValueError: it lies in none, or climbs out.
    """
    parts = path.split("/")
    if "" not in parts and "." not in parts and ".." not in parts and "\0" not in path:
        for folder in folders:
            if path == folder or path.startswith(f"{folder}/"):
                return folder
    raise ValueError(f"{path[:MAX_LENGTH]!r} does not lie in {' or '.join(folders)}")

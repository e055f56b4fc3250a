"""Paths inside a claim: their form, and the allowed folders."""

from __future__ import annotations

import re
from collections.abc import Collection

#: The field of the folder with the raw data.
FIELD = "data.source.persistentVolumeClaim.path"
#: Segments of letters, digits and `_.-` between single slashes. No segment starts with a dot, so
#: `.` and `..` are impossible; so are a slash at either end, a backslash and a blank.
PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"
MAX_LENGTH = 512
FORM = (
    "a path such as raw/films, relative to the root of the claim: letters, digits, '_', '.' and "
    "'-' between single slashes, no slash at either end, and no segment that starts with '.' "
    "or '-'"
)
#: Names of claims are DNS subdomains; they become part of API server URLs.
CLAIM_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
CLAIM_FORM = "the name of a PersistentVolumeClaim: letters in lower case, digits, '-' and '.'"
#: Top-level folders of a store that belong to the operator.
OF_THE_STORE = ("artifacts", "lake", "staging")


def is_sub_path(path: str) -> bool:
    """Return whether a path is a valid path inside a claim."""
    return len(path) <= MAX_LENGTH and re.fullmatch(PATTERN, path) is not None


def is_claim_name(name: str) -> bool:
    """Return whether a text is a valid name of a claim."""
    return re.fullmatch(CLAIM_PATTERN, name) is not None


def outside_of_store(path: str) -> str:
    """Return a path of raw data in the store's claim.

    Raises:
        ValueError: the path is invalid or in a folder of the operator.
    """
    if not is_sub_path(path):
        raise ValueError(f"{FIELD} {path[:MAX_LENGTH]!r} must be {FORM}")
    if path.split("/")[0] in OF_THE_STORE:
        raise ValueError(
            f"{FIELD} {path!r} is in a folder of the operator "
            f"({', '.join(OF_THE_STORE)}), and its claim is that of storage: put the raw data in "
            "another folder or another claim"
        )
    return path


def below(path: str, folder: str) -> str:
    """Return a path after checking that it is a folder or below it.

    Raises:
        ValueError: the path is outside the folder.
    """
    return one_of(path, (folder,)) and path


def one_of(path: str, folders: Collection[str]) -> str:
    """Return the folder that contains a path or equals it.

    Raises:
        ValueError: no folder does, or the path has `.` or `..` segments.
    """
    parts = path.split("/")
    if "" not in parts and "." not in parts and ".." not in parts and "\0" not in path:
        for folder in folders:
            if path == folder or path.startswith(f"{folder}/"):
                return folder
    raise ValueError(f"{path[:MAX_LENGTH]!r} is not in {' or '.join(folders)}")

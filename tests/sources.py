"""The section `data.source` of the models of tests."""

from __future__ import annotations

from typing import Any


def source(claim: str = "raw", path: str | None = None) -> dict[str, Any]:
    """A source in a claim, in the folder `path` if one is given."""
    folder = {"claimName": claim} | ({} if path is None else {"path": path})
    return {"persistentVolumeClaim": folder, "format": "MovieLens100K"}


SOURCE = source()

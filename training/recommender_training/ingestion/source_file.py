"""A file of a source, as the ingestion knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class SourceFile:
    """A raw file. The same `batch` is the same content, and is read once."""

    path: Path
    name: str  # relative to the source
    batch: str
    #: Columns that a file of a Delta table may lack, and what they are then: the value of its
    #: partition, or nothing where the file is older than the column.
    given: Mapping[str, str | None] = field(default_factory=dict)

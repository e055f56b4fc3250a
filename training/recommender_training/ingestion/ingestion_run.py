"""One check of a mapped source: what all steps of the ingestion read, and what they gather."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from recommender_contract.resource.mapping import Format
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.ingestion import convert, id_table
from recommender_training.ingestion.mapping import Items, Mapping, Users
from recommender_training.ingestion.quarantine import Quarantine
from recommender_training.ingestion.source_files import SourceFile
from recommender_training.ingestion.staged_rows import StagedRows


@dataclass
class IngestedFile:
    """Row counts of a file of interactions, by outcome."""

    file: SourceFile
    rows: int = 0
    new: int = 0
    known: int = 0
    bad: int = 0


@dataclass
class Run:
    """One check of a source."""

    path: Path
    kind: Format
    mapping: Mapping
    now: int
    quarantine: Quarantine
    staging: StagedRows
    ids: id_table.IdReaders
    declaration: FeatureSchema
    columns: dict[str, pl.Schema]  # by table
    batches: list[IngestedFile] = field(default_factory=list)
    segments: set[str] = field(default_factory=set)
    events: list[SourceFile] = field(default_factory=list)  # of the collector, whole

    def hash(self, table: str) -> str:
        """Return the hash of the columns of a table, by its name."""
        return self.mapping.schema_hash(table, self.kind)

    def converted(self, table: Users | Items, frame: pl.DataFrame) -> convert.Parts:
        """Return the good and the bad rows of users or items."""
        if isinstance(table, Users):
            return convert.users(frame, table, self.ids.user, self.now)
        return convert.items(frame, table, self.ids.item, self.now)

"""Ingested files of interactions and their row counts: the table `batches` of a lake."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from recommender_training.data import schema
from recommender_training.ingestion.source_files import SourceFile


@dataclass
class IngestedFile:
    """Row counts of a file of interactions, by outcome."""

    file: SourceFile
    rows: int = 0
    new: int = 0
    known: int = 0
    bad: int = 0


def batch_rows(batches: Iterable[IngestedFile], schema_hash: str) -> pl.DataFrame:
    """Return the rows of the table `batches` for files that were read with this schema hash."""
    rows = [
        (each.file.batch, schema_hash, each.file.name, each.rows, each.new, each.known, each.bad)
        for each in batches
    ]
    return pl.DataFrame(rows, schema=schema.BATCHES_SCHEMA, orient="row")

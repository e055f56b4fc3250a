"""item_ids.json: the text of each item, where the ids of items are texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recommender_training.common.durable_files import canonical_json, write_bytes

NAME = "item_ids.json"
SCHEMA = "recommender.dev/item-ids/v1"


def write(root: Path, texts: Sequence[str]) -> None:
    """Write the texts in the order of the items of vocabulary.json, whose ids are their hashes."""
    write_bytes(root / NAME, content(texts))


def content(texts: Sequence[str]) -> bytes:
    """The bytes of the file."""
    return canonical_json({"schema": SCHEMA, "texts": list(texts)})

"""Load vocabulary, reference counts, popularity and ids from an artifact.

docs/contracts.md defines the files. They are validated once, at the start, so that requests need
no further checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pydantic

from recommender_serving.artifact.file_schemas import (
    File,
    ItemIdsFile,
    ManifestFile,
    PopularityFile,
    ReferenceFile,
    VocabularyFile,
)
from recommender_serving.domain import ids
from recommender_serving.domain.ids import HASH, INTEGERS, IdKind, IdKinds

MAX_FILE_BYTES = 256 * 1024 * 1024


class ArtifactError(Exception):
    """The artifact cannot be served; the message names the file and the problem."""


FileT = TypeVar("FileT", bound=File)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Maps the categories of a request to indices."""

    history_length: int
    max_top_n: int
    genders: dict[str, int]
    occupations: dict[str, int]
    genre_of: dict[int, str | None]  # raw item id -> name of the primary genre


@dataclass(frozen=True, slots=True)
class Artifact:
    """The parts of an artifact that the transformer holds in memory."""

    vocabulary: Vocabulary
    reference: ReferenceFile
    popularity: PopularityFile
    ids: IdKinds = INTEGERS
    item_texts: dict[int, str] | None = None  # by raw id, if item ids are texts


def load(folder: Path) -> Artifact:
    """Read and validate the files of the artifact.

    Raises:
        ArtifactError: a file is missing, unreadable or violates its schema.
    """
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is not a folder: mount the artifact there")
    vocabulary = _read(folder / "vocabulary.json", VocabularyFile)
    reference = _read(folder / "reference.json", ReferenceFile)
    popularity = _read(folder / "popularity.json", PopularityFile)
    declared = _read(folder / "manifest.json", ManifestFile).ids
    kinds = INTEGERS if declared is None else IdKinds(declared.user, declared.item)
    texts = None
    if kinds.item is IdKind.TEXT:
        texts = _texts(folder / "item_ids.json", vocabulary.items.ids, _popular_items(popularity))
    return Artifact(_vocabulary(vocabulary), reference, popularity, kinds, texts)


def _popular_items(popularity: PopularityFile) -> set[int]:
    """Return the items of all popularity lists."""
    lists = [] if popularity.segments is None else popularity.segments.lists
    return set(popularity.items).union(*(each.items for each in lists))


def _texts(path: Path, items: Sequence[int], popular: Iterable[int]) -> dict[int, str]:
    """Read the text of each item; each id must be the hash of its text."""
    texts = _read(path, ItemIdsFile).texts
    if len(texts) != len(items):
        raise ArtifactError(f"{path}: {len(texts)} texts for {len(items)} items")
    for item, text in zip(items, texts, strict=True):
        if ids.hashed(text) != item:
            raise ArtifactError(f"{path}: the {HASH} hash of {text!r} is not item {item}")
    found = dict(zip(items, texts, strict=True))
    for item in sorted(popular):
        if item not in found:
            raise ArtifactError(f"{path}: item {item} of popularity.json has no text")
    return found


def _vocabulary(file: VocabularyFile) -> Vocabulary:
    genres = file.genres
    return Vocabulary(
        history_length=file.history_length,
        max_top_n=file.max_top_n,
        genders={name: index for index, name in enumerate(file.genders)},
        occupations={name: index for index, name in enumerate(file.occupations)},
        genre_of={
            item: genres[genre] if genre >= 0 else None
            for item, genre in zip(file.items.ids, file.items.genre, strict=True)
        },
    )


def _read(path: Path, kind: type[FileT]) -> FileT:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ArtifactError(f"{path} has {size} bytes, more than {MAX_FILE_BYTES}")
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ArtifactError(f"{path}: {field}: {first['msg']}") from error

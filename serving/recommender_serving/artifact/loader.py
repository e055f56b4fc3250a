"""Load vocabulary, reference counts, popularity and ids from an artifact.

docs/contracts.md defines the files. They are validated once, at the start, so that requests need
no further checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pydantic

from recommender_contract import ids
from recommender_contract.artifact import ITEM_IDS, MANIFEST, POPULARITY, REFERENCE, VOCABULARY
from recommender_contract.ids import HASH, INTEGERS, IdKind, IdKinds
from recommender_serving.artifact.file_schemas import File, ItemIdsFile, ManifestFile
from recommender_serving.artifact.popularity import Popularity, build_popularity
from recommender_serving.artifact.popularity_file import PopularityFile
from recommender_serving.artifact.published_report import PublishedReport, read_report
from recommender_serving.artifact.reference_file import ReferenceFile
from recommender_serving.artifact.vocabulary import Vocabulary, build_vocabulary
from recommender_serving.artifact.vocabulary_file import VocabularyFile

MAX_FILE_BYTES = 256 * 1024 * 1024


class ArtifactError(Exception):
    """The artifact cannot be served; the message names the file and the problem."""


FileT = TypeVar("FileT", bound=File)
Converted = TypeVar("Converted")


@dataclass(frozen=True, slots=True)
class Artifact:
    """The parts of an artifact that the transformer holds in memory."""

    vocabulary: Vocabulary
    reference: ReferenceFile
    popularity: Popularity
    ids: IdKinds = INTEGERS
    item_texts: dict[int, str] | None = None  # by raw id, if item ids are texts
    report: PublishedReport | None = None  # for people


def load(folder: Path) -> Artifact:
    """Read and validate the files of the artifact.

    Raises:
        ArtifactError: a file is missing, unreadable or violates its schema.
    """
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is not a folder: mount the artifact there")
    path = folder / VOCABULARY
    words = _read(path, VocabularyFile)
    vocabulary = _checked(path, lambda: build_vocabulary(words))
    path = folder / REFERENCE
    reference = _read(path, ReferenceFile)
    _checked(path, lambda: _check_reference(reference, vocabulary))
    path = folder / POPULARITY
    lists = _read(path, PopularityFile)
    popularity = _checked(path, lambda: build_popularity(lists, vocabulary.features))
    declared = _read(folder / MANIFEST, ManifestFile).ids
    kinds = INTEGERS if declared is None else IdKinds(declared.user, declared.item)
    texts = None
    if kinds.item is IdKind.TEXT:
        texts = _texts(folder / ITEM_IDS, words.items.ids, set(popularity.items()))
    return Artifact(vocabulary, reference, popularity, kinds, texts, read_report(folder))


def _check_reference(reference: ReferenceFile, vocabulary: Vocabulary) -> None:
    kinds = vocabulary.drift_kinds()
    for feature in reference.features:
        expected = kinds.get(feature.name)
        if expected is None:
            raise ValueError(
                f"features: {feature.name} is no drift feature of the vocabulary, which has "
                f"{', '.join(kinds)}"
            )
        if feature.kind != expected:
            raise ValueError(f"features: {feature.name} is {feature.kind}, not {expected}")


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


def _checked(path: Path, convert: Callable[[], Converted]) -> Converted:
    try:
        return convert()
    except ValueError as error:
        raise ArtifactError(f"{path}: {error}") from error


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

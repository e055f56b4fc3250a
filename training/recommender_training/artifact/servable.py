"""What the transformer refuses to read is refused before the first fit, not by its pods.

`recommender_serving.artifact` has the same limits; a test holds both together.
"""

from __future__ import annotations

from collections.abc import Sequence

from recommender_training.artifact import manifest
from recommender_training.artifact.vocabulary import item_ids, vocabulary
from recommender_training.common.durable_files import canonical_json
from recommender_training.common.errors import InputError
from recommender_training.data.dataset import Dataset

#: Bytes of one file of the artifact.
MAX_FILE_BYTES = 256 * 1024 * 1024
#: Genders, occupations or genres: each is a time series of the version's metrics.
MAX_CATEGORIES = 1000


def check(data: Dataset, texts: Sequence[str] | None, history_length: int) -> None:
    """Hold what an artifact of this data will have against what is read when it serves.

    `texts` are those of the items, where their ids are texts. popularity.json and reference.json
    are bounded however large the data are. Raises InputError: TooManyCategories, ArtifactTooLarge.
    """
    users, items = data.users, data.items
    for column, names in (
        ("gender of users", users.genders),
        ("occupation of users", users.occupations),
        ("genres of items", items.genre_names),
    ):
        if len(names) > MAX_CATEGORIES:
            raise InputError(
                "TooManyCategories",
                f"the {column} has {len(names)} different values, {MAX_CATEGORIES} at most are "
                "served: map a coarser column, or none, in data.source.mapping",
            )
    files = {"vocabulary.json": len(canonical_json(vocabulary(data, history_length)))}
    if texts is not None:
        files[manifest.ITEM_IDS] = len(canonical_json(item_ids(texts)))
    for name, size in files.items():
        if size > MAX_FILE_BYTES:
            raise InputError(
                "ArtifactTooLarge",
                f"{name} of {items.count} items would have {size} bytes, {MAX_FILE_BYTES} at most "
                "are served: leave items out that nobody asks for, or give them shorter ids "
                "(data.source.mapping)",
            )

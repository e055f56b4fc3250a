"""Refuse artifacts beyond the limits of the transformer before the first fit.

`recommender_serving.artifact` has the same limits; a test compares them.
"""

from __future__ import annotations

from collections.abc import Sequence

from recommender_contract.artifact import ITEM_IDS, VOCABULARY
from recommender_training.artifact.vocabulary import item_ids, vocabulary
from recommender_training.common.durable_files import canonical_json
from recommender_training.common.errors import InputError
from recommender_training.data.dataset import Dataset

#: Largest file of an artifact, in bytes.
MAX_FILE_BYTES = 256 * 1024 * 1024
#: Most categories and bands of all features of items: the models hold a column for each.
MAX_TAGS = 5000


def check_serving_limits(data: Dataset, texts: Sequence[str] | None, history_length: int) -> None:
    """Check the size of a future artifact of this data against the limits of the transformer.

    `texts` are those of the items, if their ids are texts. The sizes of popularity.json and
    reference.json are bounded. Raises InputError: TooManyCategories, ArtifactTooLarge.
    """
    items = data.items
    if len(items.tag_names) > MAX_TAGS:
        raise InputError(
            "TooManyCategories",
            f"the features of items have {len(items.tag_names)} categories and bands together, "
            f"more than the limit of {MAX_TAGS}: lower maxCategories or bands in "
            "data.source.mapping.items.features",
        )
    files = {VOCABULARY: len(canonical_json(vocabulary(data, history_length)))}
    if texts is not None:
        files[ITEM_IDS] = len(canonical_json(item_ids(texts)))
    for name, size in files.items():
        if size > MAX_FILE_BYTES:
            raise InputError(
                "ArtifactTooLarge",
                f"{name} of {items.count} items would have {size} bytes, more than the limit of "
                f"{MAX_FILE_BYTES}: remove items without requests, or give them shorter ids "
                "(data.source.mapping)",
            )

"""The types of ids and of features."""

from __future__ import annotations

from collections.abc import Sequence

#: An id of a user or an item: whole numbers, or strings if the model's `mapping.ids` is Text.
Id = int | str
#: A value of a declared feature: a list of strings for a MultiCategorical, one of numbers for an
#: Embedding.
Value = str | float | bool | Sequence[str] | Sequence[float]

"""The types of ids and of features."""

from __future__ import annotations

#: An id of a user or an item: whole numbers, or strings if the model's `mapping.ids` is Text.
Id = int | str
#: A value of a declared feature.
Value = str | float | bool

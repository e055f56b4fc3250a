"""What the schemas of the artifact's files share, and those of the manifest and the texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from recommender_contract import ids
from recommender_contract.ids import IdKind

#: Bins of one feature, and of all together with those of other, null and unknown values. Each is
#: two time series of the version's metrics, whose page the operator reads and keeps.
MAX_BINS = 50
MAX_ALL_BINS = 2_800
MAX_CATEGORIES = 100_000  # of one feature
MAX_FEATURES = 128

Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Group = Annotated[int, Field(ge=-1, lt=2**31)]
Index = Annotated[int, Field(ge=0, lt=2**31)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Category = Annotated[str, Field(max_length=200)]


class File(BaseModel):
    """Base of all files; ignores unknown fields, which newer releases may write."""

    model_config = ConfigDict(strict=True, extra="ignore")


def check_unique(values: Iterable[str], what: str) -> None:
    """Raise ValueError if a value is listed twice."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{what} {value[:100]} is listed twice")
        seen.add(value)


class _Ids(File):
    """The types of the ids; absent if both are integers."""

    user: IdKind
    item: IdKind
    hash: Literal["blake2b-63"]


class ManifestFile(File):
    """The part of manifest.json that the transformer needs."""

    schema_: Literal["recommender.dev/manifest/v1"] = Field(alias="schema")
    ids: _Ids | None = None


class ItemIdsFile(File):
    """item_ids.json, in the order of the items of the vocabulary."""

    schema_: Literal["recommender.dev/item-ids/v1"] = Field(alias="schema")
    texts: list[Annotated[str, Field(min_length=1, max_length=ids.MAX_BYTES)]]

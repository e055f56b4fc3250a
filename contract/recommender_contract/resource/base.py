"""Base class of all API models: camelCase in JSON, snake_case in Python, frozen."""

from __future__ import annotations

import pydantic
from pydantic.alias_generators import to_camel


class ApiModel(pydantic.BaseModel):
    """A frozen value of the API. It ignores unknown fields, which the API server prunes anyway."""

    model_config = pydantic.ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        serialize_by_alias=True,
    )

    def dump(self) -> dict[str, object]:
        """Return the JSON form for the API server: camelCase keys, no nulls."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

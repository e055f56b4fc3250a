"""The `CounterBaseline`: the pods' counters at the start of a window."""

from __future__ import annotations

import pydantic
from pydantic import Field

from recommender_contract.resource.base import ApiModel

#: Maximum length of the packed counters, in characters. etcd limits a request to 1.5 MiB; a
#: hundred pods of each arm, with the maximum number of series, need 1.0 MiB (a test packs them).
PACKED_LIMIT = 1_300_000


class CounterBaselineSpec(ApiModel):
    model: str = Field(max_length=63, description="Name of the RecommenderModel.")
    key: str = Field(
        min_length=1,
        max_length=512,
        description="The window that starts here, as `purpose/version`; the purpose is step, "
        "rollout, break or drift.",
    )
    taken_at: pydantic.AwareDatetime = Field(description="When the counters were read.")
    pods: int = Field(
        default=0, ge=0, description="Number of pods that were read, of all versions."
    )
    counters: str = Field(
        max_length=PACKED_LIMIT,
        description="The counters by version, pod and series, compressed (docs/contracts.md).",
    )

"""What the requests of a version may contain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recommender_serving.domain.features import Features, Kind
from recommender_serving.domain.ids import INTEGERS, IdKind, IdKinds

INSTANCE_FIELDS = ("user_id", "user", "context", "session", "timestamp", "top_n", "session_id")
EVENT_FIELDS = ("item", "timestamp", "value")
SESSION_TENSORS = ("session_items", "session_timestamps", "session_values")
DATATYPES = {
    "user_id": "INT64",
    "session_items": "INT64",
    "session_timestamps": "INT64",
    "session_values": "FP32",
    "timestamp": "INT64",
    "top_n": "INT64",
    "session_id": "BYTES",
}
#: Datatypes of a feature in the v2 protocol; the first describes it.
OF_KIND = {
    Kind.CATEGORICAL: ("BYTES",),
    Kind.BOOLEAN: ("BOOL",),
    Kind.NUMERIC: ("FP64", "FP32", "INT64", "INT32"),
    Kind.TIMESTAMP: ("INT64",),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a request, which bound its cost, the types of its ids, and its features."""

    max_top_n: int = 200
    max_session: int = 500  # events
    max_instances: int = 64  # of one v1 call
    ids: IdKinds = INTEGERS
    features: Features = field(default_factory=dict)

    @property
    def default_top_n(self) -> int:
        """Ten items, unless the limit is lower."""
        return min(10, self.max_top_n)


def datatypes(limits: Limits) -> Mapping[str, tuple[str, ...]]:
    """Return the accepted datatypes of each input of the v2 protocol, by its name."""
    texts = {"user_id": limits.ids.user, "session_items": limits.ids.item}
    of_all = {
        name: ("BYTES",) if texts.get(name) is IdKind.TEXT else (datatype,)
        for name, datatype in DATATYPES.items()
    }
    given = (each for each in limits.features.values() if each.served_as is None)
    return of_all | {feature.name: OF_KIND[feature.kind] for feature in given}

"""Limits of the requests of a version, and its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recommender_contract.features import LISTS, Kind
from recommender_contract.ids import INTEGERS, IdKind, IdKinds
from recommender_serving.artifact.loader import Artifact
from recommender_serving.domain.features import Features
from recommender_serving.protocols.v2_messages import OUTPUTS

#: Rules on the features of items; in the v2 protocol each feature has its own input.
RULES = ("allow", "deny")
ITEM_TENSORS = ("seed_items", "candidate_items", "excluded_items")
INSTANCE_FIELDS = (
    "user_id", "user", "context", "session", "timestamp", "top_n", "session_id",
    *ITEM_TENSORS, *RULES,
)  # fmt: skip
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
    **dict.fromkeys(ITEM_TENSORS, "INT64"),
}
#: Datatypes of a feature in the v2 protocol; the first describes it.
OF_KIND = {
    Kind.CATEGORICAL: ("BYTES",),
    Kind.MULTI_CATEGORICAL: ("BYTES",),
    Kind.BOOLEAN: ("BOOL",),
    Kind.NUMERIC: ("FP64", "FP32", "INT64", "INT32"),
    Kind.TIMESTAMP: ("INT64",),
    Kind.EMBEDDING: ("FP32", "FP64"),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a request, which bound its cost, the types of its ids, and its features."""

    max_top_n: int = 200
    max_session: int = 500  # events
    max_instances: int = 64  # of one v1 call
    ids: IdKinds = INTEGERS
    features: Features = field(default_factory=dict)
    item_features: tuple[str, ...] = ()  # that rules may name
    user_header: str = ""  # that names the verified user of a call; empty: callers are believed

    @property
    def default_top_n(self) -> int:
        """Ten items, unless the limit is lower."""
        return min(10, self.max_top_n)


def limits_of(artifact: Artifact, user_header: str = "") -> Limits:
    """Return the limits of a version."""
    vocabulary = artifact.vocabulary
    return Limits(
        max_top_n=vocabulary.max_top_n,
        ids=artifact.ids,
        features=vocabulary.features,
        item_features=tuple(feature.name for feature in vocabulary.items.features),
        user_header=user_header,
    )


def datatypes(limits: Limits) -> Mapping[str, tuple[str, ...]]:
    """Return the accepted datatypes of each input of the v2 protocol, by its name."""
    items = dict.fromkeys(("session_items", *ITEM_TENSORS), limits.ids.item)
    texts = {"user_id": limits.ids.user, **items}
    of_all = {
        name: ("BYTES",) if texts.get(name) is IdKind.TEXT else (datatype,)
        for name, datatype in DATATYPES.items()
    }
    rules = dict.fromkeys(rule_tensors(limits), ("BYTES",))
    given = (each for each in limits.features.values() if each.served_as is None)
    return of_all | rules | {feature.name: OF_KIND[feature.kind] for feature in given}


def rule_tensors(limits: Limits) -> tuple[str, ...]:
    """Return the inputs of rules, such as `allow.genre`."""
    return tuple(f"{rule}.{name}" for rule in RULES for name in limits.item_features)


def lists(limits: Limits) -> frozenset[str]:
    """Return the inputs with several values; most declared features have one."""
    own = {*SESSION_TENSORS, *ITEM_TENSORS, *rule_tensors(limits)}
    several = {each.name for each in limits.features.values() if each.kind in LISTS}
    return frozenset(own - set(limits.features) | several)


def sizes(limits: Limits) -> Mapping[str, int]:
    """Return how many values an input has, by its name; -1 is any number."""
    many = lists(limits)
    found = {name: -1 if name in many else 1 for name in datatypes(limits)}
    embeddings = (each for each in limits.features.values() if each.kind is Kind.EMBEDDING)
    return found | {each.name: each.width for each in embeddings}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of requests or answers; the size -1 is any."""

    name: str
    datatype: str
    shape: tuple[int, ...]


def inputs(limits: Limits) -> list[Tensor]:
    """Describe the inputs."""
    count = sizes(limits)
    return [Tensor(name, kinds[0], (count[name],)) for name, kinds in datatypes(limits).items()]


def outputs(kinds: IdKinds) -> list[Tensor]:
    """Describe the outputs."""
    items = "BYTES" if kinds.item is IdKind.TEXT else "INT64"
    many = {"item_ids": items, "scores": "FP32"}
    return [
        Tensor(name, many.get(name, "BYTES"), (-1 if name in many else 1,)) for name in OUTPUTS
    ]

"""Resources in which fields can have an effect: many of them need another setting."""

from __future__ import annotations

from typing import Any

from tests.sources import SOURCE

Json = dict[str, Any]
TERM = {"key": "zone", "operator": "In", "values": ["a"]}
POD_TERM = {
    "labelSelector": {"matchLabels": {"a": "b"}, "matchExpressions": [TERM]},
    "topologyKey": "zone",
}
PODS = {
    "requiredDuringSchedulingIgnoredDuringExecution": [POD_TERM],
    "preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 5, "podAffinityTerm": POD_TERM},
    ],
}
PLACED: Json = {
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [
        {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoExecute",
         "tolerationSeconds": 60},
    ],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [TERM]}],
            },
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 5, "preference": {"matchExpressions": [TERM]}},
            ],
        },
        "podAffinity": PODS,
        "podAntiAffinity": PODS,
    },
}  # fmt: skip
POD_TEMPLATE: Json = {
    "metadata": {"labels": {"team": "shop"}, "annotations": {"team": "shop"}},
    "spec": PLACED,
}
#: One feature of each kind, with settings that go together.
FEATURES: list[Json] = [
    {"name": "age", "kind": "Numeric", "minimum": 0, "maximum": 120, "edges": [18, 30]},
    {"name": "income", "kind": "Numeric", "bands": 5, "transform": "Log"},
    {"name": "brand", "kind": "Categorical", "maxCategories": 50},
    {"name": "zip", "kind": "Categorical", "hashBuckets": 1000},
    {"name": "tags", "kind": "MultiCategorical", "separator": "|"},
    {"name": "joined", "kind": "Timestamp", "unit": "Seconds"},
    {"name": "shift", "kind": "Timestamp", "calendar": "HourOfDay", "timeZone": "Europe/Berlin"},
    {"name": "vector", "kind": "Embedding", "length": 8},
]


def _named(prefix: str, *more: Json) -> list[Json]:
    return [{**each, "name": f"{prefix}{each['name']}"} for each in (*FEATURES, *more)]


MAPPING: Json = {
    "interactions": {
        "files": "events/*.csv", "user": "u", "item": "i", "timestamp": "t", "value": "v",
        "eventType": "kind",
        "eventTypes": [{"type": t} for t in ("view", "click", "buy", "other", "gift")],
        "features": _named("c_", {"name": "place", "kind": "Numeric", "servedAs": "1"}),
    },
    "users": {"files": "u.csv", "id": "u", "validFrom": "since", "features": _named("")},
    "items": {
        "files": "i.csv", "id": "i", "validFrom": "since",
        "features": _named("i_"),
    },
    "csv": {},
    "label": {
        "positiveTypes": [{"type": "click"}, {"type": "buy", "weight": 2}],
        "attribution": {"impressions": ["view"], "hours": 24},
    },
}  # fmt: skip
#: By values instead of by types, with drawn negatives.
RATED: Json = {
    "interactions": {
        "files": "e.csv", "columns": ["u", "i", "t", "v"], "user": "u", "item": "i",
        "timestamp": "t", "value": "v", "features": [{"name": "device", "kind": "Categorical"}],
    },
    "users": {"files": "u.csv", "columns": ["u", "age"], "id": "u"},
    "items": {"files": "i.csv", "columns": ["i", "brand"], "id": "i"},
    "label": {"positiveRate": 0.1, "negatives": {}, "minimumValue": 3},
}  # fmt: skip
STORAGE = {"storage": {"persistentVolumeClaim": {"claimName": "store"}}}


def data(mapping: Json, **more: Any) -> Json:
    source = {"persistentVolumeClaim": {"claimName": "raw"}, "format": "CSV", "mapping": mapping}
    return {"data": {"source": source, "snapshots": {}, **more}, **STORAGE}


SHOP: Json = {
    **data(MAPPING, window={"days": 30}),
    "training": {
        "podTemplate": POD_TEMPLATE,
        "search": {
            "sampler": "Grid", "space": {
                "dropout": {"min": 0.1, "max": 0.3, "points": 4},
                "learningRate": {"min": 0.001, "max": 0.1, "log": True},
                "embeddingDim": {"choices": [16, 32]},
            },
        },
        "mitigation": {"reweighting": {"by": "age"}, "exposure": {"by": "i_brand"}},
        "export": {"variants": ["Pruned"]},
        "warmStart": {},
    },
    "serving": {
        "podTemplate": POD_TEMPLATE,
        "replicas": 3,
        "autoscaling": {
            "maxReplicas": 9, "engine": "KEDA", "targetRequestsInFlight": 4,
            "peaks": [{"start": "0 8 * * *", "end": "0 20 * * *", "replicas": 5}],
        },
        "diversity": [{"feature": "i_brand", "maxPerCategory": 2}],
        "exposure": [{"feature": "i_brand", "categories": ["own"], "minShare": 0.2}],
        "impressions": 1,
        "exploration": {"share": 0.1},
        "holdout": {"percent": 5},
        "cache": {},
        "callers": {},
    },
}  # fmt: skip
SAMPLE: Json = {
    "data": {"source": SOURCE},
    **STORAGE,
    "serving": {"autoscaling": {"maxReplicas": 9}},
}
#: By name. A leaf is looked for in all of them.
BASES: dict[str, Json] = {
    "shop": SHOP,
    "rated": {**data(RATED), "training": {"search": {"sampler": "TPE"}}},
    "sample": SAMPLE,
}

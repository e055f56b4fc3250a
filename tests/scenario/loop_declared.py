"""What the loop's shop declares of its users and of the context of a request.

The interests and the profile of a user follow from the tastes, so they help a model; they come
from a table beside the collected events. The context is chosen at random and has no effect.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recommender_client.values import Id, Value
from recommender_simulate.user_tastes import Tastes
from tests.scenario import collecting, install
from tests.scenario.kube import Manifest
from tests.scenario.world import World, merged

#: A user is interested in a theme if he or she would like an item of this id.
THEMES = ("books", "cooking", "garden", "music", "sport", "travel")
MOST_INTERESTS = 4
#: Further ids of this kind; a profile has a number for each.
SIDES = ("side-0", "side-1", "side-2")
TABLE = "users.jsonl"
USERS: Manifest = {
    "files": TABLE,
    "id": "user_id",
    "features": [
        {"name": "interests", "kind": "MultiCategorical", "maxPerRow": MOST_INTERESTS},
        {"name": "profile", "kind": "Embedding", "length": len(SIDES)},
    ],
}
CONTEXT: Sequence[Manifest] = (
    {"name": "words", "kind": "MultiCategorical", "separator": " ", "maxPerRow": 3},
    {"name": "query_vector", "kind": "Embedding", "length": 2},
    {
        "name": "opened",
        "kind": "Timestamp",
        "calendar": "HourOfDay",
        "timeZone": "Europe/Berlin",
    },
)
_HOUR = 3600
#: 2026-09-14 at 16:00 UTC: 18:00 in Berlin.
_OPENED = 1_789_401_600
#: Of a score that a feature changes; the rounding of the model's sums changes less.
LEAST_CHANGE = 1e-5
#: What the users of the simulator choose from.
CHOICES: Mapping[str, Sequence[Value]] = {
    "words": (["red"], ["red shoes"], ["blue", "shoes"], ["new", "blue", "shoes"]),
    "query_vector": ([0.6, 0.8], [-0.8, 0.6], [0.0, -1.0]),
    "opened": tuple(_OPENED + _HOUR * later for later in (0, 1, 12, 13)),
}


def declared(mapping: Manifest) -> Manifest:
    """Return a mapping with these features."""
    made = merged(mapping, {"users": USERS})
    made["interactions"]["features"] += CONTEXT
    return made


def words() -> list[str]:
    """Return the arguments of the simulator by which requests and events have a context."""
    return [
        word
        for name, values in CHOICES.items()
        for word in ("--context", f"{name}={json.dumps(values)}")
    ]


def row(tastes: Tastes, user: Id) -> dict[str, Any]:
    """Return a user's row of the table."""
    liking = {name: tastes.chance(user, name) for name in (*THEMES, *SIDES)}
    liked = [theme for theme in THEMES if liking[theme] > tastes.click_rate]
    return {
        "user_id": user,
        "interests": sorted(liked, key=liking.__getitem__, reverse=True)[:MOST_INTERESTS],
        "profile": [round(math.log(liking[side] / tastes.click_rate), 4) for side in SIDES],
    }


def write_table(world: World, tastes: Tastes, users: Iterable[Id]) -> None:
    """Write the table of users beside the folders of the collector's writer."""
    lines = "".join(json.dumps(row(tastes, user)) + "\n" for user in users)
    folder = f"/data/{collecting.FOLDER}/{world.name}"
    world.cluster.kubectl(
        "-n", world.kube.namespace, "exec", "-i", install.LOADER, "--", "sh", "-c",
        f"mkdir -p {folder} && cat > {folder}/{TABLE}", stdin=lines,
    )  # fmt: skip


def check_read(world: World, items: Sequence[Id]) -> None:
    """Check that the served model reads each of these features, and local hours as declared."""
    asked: dict[str, Any] = {
        "user_id": "visitor",
        "timestamp": int(time.time()),
        "candidate_items": list(items),
        "top_n": len(items),
        "user": {"interests": ["garden"], "profile": [0.5, -0.5, 0.5]},
        "context": {name: values[0] for name, values in CHOICES.items()},
    }
    others: dict[str, dict[str, Value]] = {
        "user": {"interests": ["music", "sport"], "profile": [-0.5, 0.5, 0.5]},
        "context": {name: values[1] for name, values in CHOICES.items()},
    }
    before = _scores(world, asked)

    def change(part: str, name: str, value: Value) -> float:
        """Return the largest change of a score."""
        after = _scores(world, merged(asked, {part: {name: value}}))
        return max(abs(after[item] - before[item]) for item in items)

    for part, values in others.items():
        for name, value in values.items():
            assert change(part, name, value) > LEAST_CHANGE, f"{part}.{name} is not read"
    last_of_hour = change("context", "opened", _OPENED + _HOUR - 1)
    assert last_of_hour < LEAST_CHANGE, f"the same local hour changes a score by {last_of_hour}"


def _scores(world: World, asked: Manifest) -> dict[Id, float]:
    found = world.answer(asked)
    assert found["source"] == "model", found
    return dict(zip(found["items"], found["scores"], strict=True))

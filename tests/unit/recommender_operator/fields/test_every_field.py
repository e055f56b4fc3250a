"""Each field of the resource does something: other manifests, other decisions, or a condition.

The idea is that of Acto (Gu et al., SOSP 2023): change each field of the schema, and look for it
in what the operator makes of it. A field without an effect is one that users set in vain.
"""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
from pydantic import ValidationError

from recommender_operator.api.spec import RecommenderModelSpec
from recommender_operator.observed import Platform
from recommender_training.common.errors import InputError
from tests.unit.recommender_operator.fields import leaves, made_of
from tests.unit.recommender_operator.fields.base_resources import BASES
from tests.unit.recommender_operator.fields.decided import ELSEWHERE, LIVES
from tests.unit.recommender_operator.fields.leaves import Path
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.world import World

LEAVES = dict(leaves.leaves(leaves.schema()))
HERE = Platform(collector=True, store=True, collector_namespace="shop", domain="models.example")


def document(given: RecommenderModelSpec) -> dict[str, Any]:
    """Return a spec as the API server stores it, with its defaults."""
    return given.model_dump(mode="json", by_alias=True, exclude_none=True)


@functools.cache
def base(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a resource as stored, and its manifests."""
    stored = document(RecommenderModelSpec.model_validate(BASES[name]))
    return stored, made_of.manifests(RecommenderModelSpec.model_validate(stored))


def is_seen(path: Path, node: dict[str, Any]) -> bool:
    """Return whether another value makes other manifests, or is refused by the training.

    A refusal counts only if no other value of the field has an effect.
    """
    refused = False
    for name in BASES:
        stored, made = base(name)
        for other in leaves.changed(stored, path, node):
            try:
                if made_of.manifests(RecommenderModelSpec.model_validate(other)) != made:
                    return True
            except ValidationError:  # no value of the field
                continue
            except InputError:
                refused = True
    return refused


@pytest.mark.parametrize(
    "path", [path for path in LEAVES if leaves.shown(path) not in LIVES | ELSEWHERE],
    ids=leaves.shown,
)  # fmt: skip
def test_a_field_changes_a_manifest_or_what_a_job_reads(path: Path) -> None:
    assert is_seen(path, LEAVES[path]), (
        f"{leaves.shown(path)} has no effect: give it one, a condition (without_effect.py), or "
        "remove it; if it needs another setting, put that into base_resources.py or decided.py"
    )


def lived(field: str, *, changed: bool) -> list[str]:
    """Return what happens to a model, with the base's value of a field or the other one."""
    life = LIVES[field]
    stored = document(spec(**copy.deepcopy(dict(life.base))))
    if changed:
        put(stored, field, life.value)
    world = World(spec=RecommenderModelSpec.model_validate(stored), platform=HERE)
    return life.plot(world)


def put(stored: Any, field: str, value: object) -> None:
    *parents, last = field.replace("[]", ".0").split(".")
    for step in parents:
        stored = stored[int(step) if step.isdigit() else step]
    stored[last] = value


@pytest.mark.parametrize("field", LIVES)
def test_a_field_changes_what_is_decided_or_said(field: str) -> None:
    assert lived(field, changed=True) != lived(field, changed=False), f"{field} has no effect"


def test_every_field_that_is_looked_for_exists() -> None:
    known = {leaves.shown(path) for path in LEAVES}
    assert known >= {*LIVES, *ELSEWHERE}
    assert len(known) > 300, "the walk found only a part of the schema"

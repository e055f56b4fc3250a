"""A field that is changed and changed back leaves no trace in what the operator manages."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from typing import Any

import pytest
from pydantic import ValidationError

from recommender_operator.adapters.counters.collector_client import NoCollector
from recommender_operator.adapters.kinds import (
    AUTOSCALERS,
    BUDGETS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    MODELS,
    NETWORK_POLICIES,
)
from recommender_operator.api.spec import RecommenderModelSpec
from tests.unit.recommender_operator.fields import leaves, made_of
from tests.unit.recommender_operator.fields.base_resources import SHOP
from tests.unit.recommender_operator.stories import FakeCollector, Story

MANAGED = (INFERENCE_SERVICES, AUTOSCALERS, HTTP_ROUTES, BUDGETS, NETWORK_POLICIES)
#: An account that is not allowed keeps the services as they are: test_pod_template_check.py.
LEFT_OUT = ("serving.podTemplate.spec.serviceAccountName",)
#: Sections of what a served version is given.
OF_SERVICES = ("serving", "events")
LIMITS = {
    "diversity": [{"feature": "genre", "maxPerCategory": 2}],
    "exposure": [{"feature": "genre", "categories": ["Drama"], "minShare": 0.2}],
}


async def test_each_setting_of_serving_and_events_is_undone_by_its_former_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FakeCollector, "measure", NoCollector().measure)
    serving = {**SHOP["serving"], **LIMITS, "replicas": 1, "autoscaling": {"maxReplicas": 9}}
    story = Story("Gateway", options=dataclasses.replace(made_of.OPTIONS, keda=False))
    changes = {"serving": serving, "events": SHOP["events"]}
    write(story, story.rig.kube.find(MODELS, "movies")["spec"] | changes)
    await story.first()
    await look(story)
    stored = copy.deepcopy(story.rig.kube.find(MODELS, "movies")["spec"])
    former, seen = managed(story), 0
    for path, node in leaves.leaves(leaves.schema()):
        other = change(stored, path, node)
        if path[0] not in OF_SERVICES or leaves.shown(path) in LEFT_OUT or other is None:
            continue
        write(story, other)
        await look(story)
        seen += managed(story) != former
        write(story, stored)
        await look(story)
        assert managed(story) == former, leaves.shown(path)
    assert seen > 30, "the changes did not arrive"


#: Sections whose defaults have leaves to change.
SECTIONS: dict[str, dict[str, Any]] = {
    "evaluation": {"gates": [{"metric": "auc", "min": 0.6}]},
    "rollout": {"shadow": {}, "analysis": {}},
    "retrain": {},
    "history": {},
}


@pytest.mark.parametrize("part", range(4))
async def test_each_other_setting_is_undone_by_its_former_value_with_the_same_champion(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeCollector, "measure", NoCollector().measure)
    story = Story("Gateway")
    spec = copy.deepcopy(story.rig.kube.find(MODELS, "movies")["spec"])
    for section, values in SECTIONS.items():
        spec[section] = {**values, **spec.get(section, {})}
    model = RecommenderModelSpec.model_validate(spec)
    stored = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    write(story, stored)
    await story.first()
    await look(story)
    former, health, seen = managed(story), standing(story), 0
    for path, node in itertools.islice(leaves.leaves(leaves.schema()), part, None, 4):
        other = change(stored, path, node)
        if path[0] in OF_SERVICES or other is None:
            continue
        write(story, other)
        await look(story)
        seen += standing(story) != health
        write(story, stored)
        await look(story)
        for _ in range(20):
            if standing(story) == health:
                break
            await story.look()
        assert standing(story) == health, leaves.shown(path)
        assert managed(story) == former, leaves.shown(path)
    assert seen > 10, "the changes did not arrive"


def standing(story: Story) -> dict[str, Any]:
    """Return what users see of a model, without times and counts."""
    status = story.status
    return {
        "stage": status["stage"],
        "champion": status["champion"],
        "conditions": {
            each["type"]: (each["status"], each["reason"]) for each in status["conditions"]
        },
    }


def change(spec: dict[str, Any], path: leaves.Path, node: dict[str, Any]) -> dict[str, Any] | None:
    """Return the spec with the first valid other value of a field; None if it is not set."""
    for other in leaves.changed(spec, path, node):
        try:
            RecommenderModelSpec.model_validate(other)
        except ValidationError:
            continue
        return other
    return None


def write(story: Story, spec: dict[str, Any]) -> None:
    model = story.rig.kube.find(MODELS, "movies")
    model["spec"] = copy.deepcopy(spec)
    model["metadata"]["generation"] += 1
    story.rig.kube.touch(MODELS, "movies")


async def look(story: Story) -> None:
    for _ in range(4):
        await story.look()


def managed(story: Story) -> dict[tuple[str, str], Any]:
    """Return what the operator wrote, without what the API server adds."""
    kube = story.rig.kube
    return {
        (kind.plural, name): copy.deepcopy(
            {
                "spec": thing["spec"],
                "labels": thing["metadata"].get("labels"),
                "annotations": thing["metadata"].get("annotations"),
            }
        )
        for kind in MANAGED
        for name in kube.names(kind)
        for thing in (kube.find(kind, name),)
    }

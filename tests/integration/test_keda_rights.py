"""The rights on ScaledObjects and their policy, with a real API server and KEDA's own CRD."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from recommender_operator.adapters.kinds import SCALED_OBJECTS
from recommender_operator.controller.kube import Object
from recommender_operator.resources import labels
from recommender_operator.resources.labels import Component
from tests.cluster import api, keda
from tests.integration import operator_account as account
from tests.integration import operator_api_rig as rig
from tests.integration.policy_rig import STRANGER
from tests.integration.raw_requests import APPLY, MERGE, Requests
from tests.unit.recommender_operator.adapters.traffic.keda.test_scaled_objects import (
    SERVER,
    made,
    scaled,
)
from tests.unit.test_chart_keda import HOSTILE, Change

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def space() -> str:
    return rig.new_namespace()


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory, space: str) -> Iterator[Requests]:
    """The API server for the account of a release that scales by KEDA."""
    crd = keda.definition(keda.SCALED_OBJECTS)
    rig.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(crd))
    api.kubectl_for(rig.kubeconfig()).wait_served((keda.SCALED_OBJECTS,))
    found = Requests(account.with_keda(SERVER).config(tmp_path_factory.mktemp("keda")))
    _until_policed(found, space)
    yield found
    rig.kubectl("delete", "crd", keda.SCALED_OBJECTS, "--ignore-not-found", "--timeout=60s")


def _until_policed(requests: Requests, space: str) -> None:
    foreign = own(space)
    foreign["metadata"]["ownerReferences"] = []
    end = time.monotonic() + account.EFFECTIVE_SECONDS
    while time.monotonic() < end:
        path = f"{SCALED_OBJECTS.path(space)}?dryRun=All"
        if "ValidatingAdmissionPolicy" in requests.shown("POST", path, foreign):
            return
        time.sleep(0.2)
    raise AssertionError(f"no policy on ScaledObjects after {account.EFFECTIVE_SECONDS} s")


def own(space: str, component: Component = Component.TRANSFORMER) -> Object:
    manifest: Object = json.loads(json.dumps(made(component, scaled())))
    manifest["metadata"]["namespace"] = space
    return manifest


@pytest.mark.parametrize("component", list(Component))
def test_the_operator_may_do_what_it_does_with_its_own_ones(
    component: Component, requests: Requests, space: str
) -> None:
    manifest = own(space, component)
    collection = SCALED_OBJECTS.path(space)
    one = SCALED_OBJECTS.path(space, manifest["metadata"]["name"])
    for _ in range(2):
        # Strict: KEDA knows each field.
        path = f"{one}?fieldManager={labels.MANAGER}&force=true&fieldValidation=Strict"
        assert requests.shown("PATCH", path, manifest, APPLY) == ""
    for path in (one, collection, f"{collection}?watch=true&timeoutSeconds=1"):
        assert requests.send("GET", path)[0] == 200, path
    assert requests.shown("DELETE", one) == ""


@pytest.mark.parametrize(("change", "reason"), HOSTILE)
def test_a_hostile_one_is_denied_with_the_reason(
    change: Change, reason: str, requests: Requests, space: str
) -> None:
    thing = own(space)
    change(thing)
    assert reason in requests.shown("POST", SCALED_OBJECTS.path(space), thing)


def by_people(space: str, **metadata: Any) -> str:
    """Create one as an administrator; return its path."""
    thing = copy.deepcopy(own(space))
    thing["metadata"] |= metadata
    rig.kubectl("create", "-f", "-", stdin=yaml.safe_dump(thing))
    return SCALED_OBJECTS.path(space, thing["metadata"]["name"])


def test_a_foreign_one_is_neither_taken_over_nor_deleted(requests: Requests, space: str) -> None:
    path = by_people(space, name="theirs", ownerReferences=[STRANGER])
    owners = {"metadata": {"ownerReferences": own(space)["metadata"]["ownerReferences"]}}
    for method, body in (("PATCH", owners), ("DELETE", None)):
        assert "ValidatingAdmissionPolicy" in requests.shown(method, path, body, MERGE), method


def test_an_own_one_keeps_its_owner_and_its_labels(requests: Requests, space: str) -> None:
    path = by_people(space)
    for change in ({"ownerReferences": [STRANGER]}, {"labels": {labels.MODEL: None}}):
        refused = requests.shown("PATCH", path, {"metadata": change}, MERGE)
        assert "ValidatingAdmissionPolicy" in refused, change
    assert requests.shown("DELETE", path) == ""

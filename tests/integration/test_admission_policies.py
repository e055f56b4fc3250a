"""The policies of a cluster-wide release allow the operator's own writes and deny all others."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml

from recommender_operator.adapters.kinds import (
    EVENTS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    MODELS,
    VERSIONS,
)
from recommender_operator.controller.kube import Object, Resource
from recommender_operator.resources import labels
from tests.integration import operator_account as account
from tests.integration import operator_api_rig as rig
from tests.integration import policy_rig as hostile
from tests.integration.policy_rig import OWN, PREDICTOR, TRANSFORMER, Change, add, own, put
from tests.integration.raw_requests import APPLY, MERGE, Requests
from tests.integration.test_train_jobs import install_trainer

pytestmark = pytest.mark.integration

DENIED = "ValidatingAdmissionPolicy"
KINDS = sorted(OWN)
#: The kinds with a pod template of the operator, and the path of its pod spec.
PODS = {
    "job": hostile.POD,
    "runtime": hostile.RUNTIME_POD,
    "service": TRANSFORMER,
    "knative": PREDICTOR,
}
LABELS, UNOWNED = "it lacks the labels", "no RecommenderModel and no ModelVersion controls it"
UNOWNED_PART = "no InferenceService controls it"
UNOWNED_POLICY = "no InferenceService and no RecommenderModel controls it"
#: Kinds that an InferenceService owns, and the policy that a model owns.
OF_A_SERVICE = ("budget", "network", "network-of-revisions", "network-of-jobs", "autoscaler")
Case = tuple[str, Change, str]


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> Requests:
    """The API server for an account that only this module uses, with its policies enforced."""
    install_trainer()
    return Requests(account.clusterwide("policed").config(tmp_path_factory.mktemp("policed")))


@pytest.fixture(scope="module")
def space() -> str:
    return rig.new_namespace()


def create(requests: Requests, kind: str, manifest: Object) -> str:
    path = OWN[kind][0].path(manifest["metadata"]["namespace"])
    return requests.shown("POST", path, manifest)


def applied(requests: Requests, resource: Resource, manifest: Object, sub: str = "") -> str:
    metadata = manifest["metadata"]
    path = resource.path(metadata["namespace"], metadata["name"], sub or None)
    return requests.shown(
        "PATCH", f"{path}?fieldManager={labels.MANAGER}&force=true", manifest, APPLY
    )


def by_people(manifest: Object) -> Object:
    """Create an object as an administrator; return it as it is stored."""
    text = rig.kubectl("create", "-o", "json", "-f", "-", stdin=yaml.safe_dump(manifest))
    stored: Object = json.loads(text)
    return stored


def patched(requests: Requests, resource: Resource, thing: Object, patch: Any) -> str:
    metadata = thing["metadata"]
    path = resource.path(metadata["namespace"], metadata["name"])
    return requests.shown("PATCH", path, patch, MERGE)


@pytest.mark.parametrize("kind", KINDS)
def test_the_operators_own_writes_are_allowed(kind: str, requests: Requests, space: str) -> None:
    assert create(requests, kind, own(kind, space)) == ""


@pytest.mark.parametrize("kind", ["service", "knative", "route", *OF_A_SERVICE])
def test_a_repeated_apply_of_the_operator_is_allowed(
    kind: str, requests: Requests, space: str
) -> None:
    manifest = own(kind, space)
    for _ in range(2):
        assert applied(requests, OWN[kind][0], manifest) == ""
    path = OWN[kind][0].path(space, manifest["metadata"]["name"])
    refused = requests.shown("DELETE", path)
    if kind in OF_A_SERVICE:
        assert "cannot delete resource" in refused, "they are deleted with the InferenceService"
    else:
        assert refused == ""


CREATED: list[Case] = [
    # Not without any: a Job would get those of its pods.
    *[
        (kind, put("metadata.labels", {"team": "web"}), LABELS)
        for kind in KINDS
        if kind != "event"
    ],
    *[
        (kind, put("metadata.labels", {labels.MANAGED_BY: labels.MANAGER}), LABELS)
        for kind in ("job", "route")
    ],
    *[
        (
            kind,
            put("metadata.ownerReferences", owners),
            UNOWNED_POLICY
            if kind.startswith("network")
            else UNOWNED_PART
            if kind in OF_A_SERVICE
            else UNOWNED,
        )
        for kind in KINDS
        if kind != "event"
        for owners in (None, [hostile.STRANGER])
    ],
    *[case for kind, pod in PODS.items() for case in hostile.pod_cases(kind, pod)],
    (
        "job",
        hostile.beside(f"{hostile.POD}.initContainers", name="other"),
        "may have the init container prepare",
    ),
    ("job", put(f"{hostile.POD}.initContainers.0.image", hostile.IMAGE), "with the image"),
    ("job", add(f"{hostile.POD}.initContainers.0.env", hostile.SECRET_KEY), "from a Secret"),
    ("job", put(f"{hostile.POD}.initContainers.0.securityContext", None), "are privileged"),
    # The API server rejects it in a Job, and drops it from an InferenceService.
    (
        "runtime",
        put(
            f"{hostile.RUNTIME_POD}.ephemeralContainers",
            [{"name": "debug", "image": hostile.IMAGE}],
        ),
        "an ephemeral container",
    ),
    (
        "job",
        put(f"{hostile.POD}.initContainers.0.image", hostile.IMAGE),
        "with the image registry.example/",
    ),
    ("trainjob", put("spec.runtimeRef.kind", "ClusterTrainingRuntime"), "of its own name"),
    ("trainjob", put("spec.runtimeRef.name", "theirs"), "of its own name"),
    ("trainjob", put("spec.trainer.image", hostile.IMAGE), "overrides the pods"),
    ("trainjob", put("spec.trainer.command", ["sh"]), "overrides the pods"),
    (
        "trainjob",
        put(
            "spec.podTemplateOverrides",
            [{"targetJobs": [{"name": "node"}], "spec": {"serviceAccountName": "admin"}}],
        ),
        "overrides the pods",
    ),
    ("service", put(f"{PREDICTOR}.initContainers.0.name", "other"), "verify-artifact alone"),
    ("service", put(f"{PREDICTOR}.initContainers.0.image", hostile.IMAGE), "with the image"),
    ("service", put(f"{PREDICTOR}.model.image", hostile.IMAGE), "without image, command or args"),
    ("service", put(f"{PREDICTOR}.model.args", ["--x"]), "without image, command or args"),
    ("service", put(f"{PREDICTOR}.model.runtime", "theirs"), "the runtime recommender-triton"),
    ("service", put(f"{PREDICTOR}.model.storageUri", "s3://b/m"), "a PersistentVolumeClaim"),
    ("service", put(f"{PREDICTOR}.model.storage", {"key": "k"}), "a PersistentVolumeClaim"),
    ("service", add(f"{PREDICTOR}.model.env", hostile.SECRET_KEY), "from a Secret"),
    ("service", put("spec.explainer", {"minReplicas": 1}), "a part beside predictor"),
    ("service", put(f"{TRANSFORMER}.logger", {"mode": "all"}), "logs or downloads"),
    ("service", put(f"{TRANSFORMER}.containers.0.image", hostile.IMAGE), "kserve-container alone"),
    ("service", put(f"{TRANSFORMER}.containers.0.name", "main"), "kserve-container alone"),
    (
        "service",
        hostile.beside(f"{TRANSFORMER}.containers", name="other"),
        "kserve-container alone",
    ),
    (
        "service",
        put(f"{TRANSFORMER}.initContainers", [{"name": "other", "image": hostile.IMAGE}]),
        "kserve-container alone",
    ),
    ("route", put("spec.parentRefs.0.name", "theirs"), "its parent must be the Gateway"),
    ("route", put("spec.parentRefs.0.namespace", None), "its parent must be the Gateway"),
    ("route", put("spec.parentRefs.0.sectionName", None), "its parent must be the Gateway"),
    ("route", put("spec.rules.1.backendRefs.0.namespace", "kube-system"), "another namespace"),
    # They would cut off, or open, the pods of others.
    ("network", put("spec.podSelector", {}), "pods other than those of its version"),
    (
        "network",
        put("spec.podSelector.matchLabels", {"app": "web"}),
        "pods other than those of its version",
    ),
    ("network-of-jobs", put("spec.podSelector.matchExpressions", None), "the Jobs or revisions"),
    (
        "network-of-revisions",
        put("spec.podSelector.matchExpressions", None),
        "the Jobs or revisions",
    ),
    (
        "network-of-jobs",
        put("spec.podSelector.matchLabels", {"app": "web"}),
        "the Jobs or revisions",
    ),
    # They would scale what others run.
    ("autoscaler", put("spec.scaleTargetRef.name", "theirs"), "something else than a Deployment"),
    (
        "autoscaler",
        put("spec.scaleTargetRef.kind", "StatefulSet"),
        "something else than a Deployment",
    ),
    ("event", put("involvedObject.apiVersion", "v1"), "not of recommender.dev"),
]


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    CREATED,
    ids=[f"{index}-{kind}" for index, (kind, _, _) in enumerate(CREATED)],
)
def test_a_hostile_object_is_denied_with_the_reason(
    kind: str, change: Change, message: str, requests: Requests, space: str
) -> None:
    manifest = own(kind, space)
    change(manifest)
    reported = create(requests, kind, manifest)
    assert DENIED in reported
    assert message in reported
    assert "the recommender operator may not create" in reported


@pytest.fixture(scope="module")
def listing() -> str:
    if account.LISTING not in rig.kubectl("get", "namespaces", "-o", "name"):
        rig.make_namespace(account.LISTING)
    return account.LISTING


@pytest.mark.parametrize("kind", sorted(PODS))
def test_a_listed_account_is_allowed_in_its_namespace(
    kind: str, requests: Requests, listing: str
) -> None:
    manifest = own(kind, listing)
    put(f"{PODS[kind]}.serviceAccountName", "trainer")(manifest)
    assert create(requests, kind, manifest) == ""
    other = own(kind, listing)
    put(f"{PODS[kind]}.serviceAccountName", "admin")(other)
    assert "does not list for this namespace" in create(requests, kind, other)


#: Namespace (of the release, or another), Secret, entries; whether a transformer may mount it.
SECRETS = [
    (True, "store-users", ["reader-movies"], True),
    (True, "store-tls", ["ca.crt"], True),
    (False, "log-key", ["key"], True),
    (True, "store-users", ["reader-news"], False),
    (True, "store-users", ["writer"], False),
    (True, "store-users", ["reader-movies", "writer"], False),
    (True, "store-users", None, False),
    (True, "store-tls", ["tls.key"], False),
    (False, "store-users", ["reader-movies"], False),
    (False, "log-key", ["other"], False),
    (True, "others", ["key"], False),
]


@pytest.mark.parametrize("kind", sorted(PODS))
@pytest.mark.parametrize(("is_released", "secret", "entries", "is_right"), SECRETS)
def test_a_transformer_mounts_its_own_entries_of_the_charts_secrets_and_no_job_any(
    kind: str,
    is_released: bool,
    secret: str,
    entries: list[str] | None,
    is_right: bool,
    requests: Requests,
    space: str,
) -> None:
    manifest = own(kind, account.SYSTEM if is_released else space)
    items = [{"key": each, "path": each} for each in entries or ()]
    source = {"secretName": secret, **({"items": items} if items else {})}
    add(f"{PODS[kind]}.volumes", {"name": "secret", "secret": source})(manifest)
    reported = create(requests, kind, manifest)
    if is_right and kind in ("service", "knative"):
        assert reported == ""
    else:
        assert "nor an entry of a Secret that the chart gives" in reported


@pytest.mark.parametrize("kind", ["service", "route"])
def test_the_operator_cannot_take_over_a_foreign_object(
    kind: str, requests: Requests, space: str
) -> None:
    manifest = own(kind, space)
    foreign = copy.deepcopy(manifest)
    foreign["metadata"] |= {"labels": {"team": "web"}, "ownerReferences": []}
    by_people(foreign)
    reported = applied(requests, OWN[kind][0], manifest)
    assert DENIED in reported
    assert LABELS in reported


DELETED = {"job": JOBS, "service": INFERENCE_SERVICES, "route": HTTP_ROUTES, "version": VERSIONS}


@pytest.mark.parametrize("kind", sorted(DELETED))
def test_the_operator_cannot_delete_a_foreign_object(
    kind: str, requests: Requests, space: str
) -> None:
    for change, message in (
        (put("metadata.labels", {"team": "web"}), LABELS),
        (put("metadata.ownerReferences", [hostile.STRANGER]), "its controller is another one"),
    ):
        manifest = own(kind, space)
        change(manifest)
        by_people(manifest)
        reported = requests.shown(
            "DELETE", DELETED[kind].path(space, manifest["metadata"]["name"])
        )
        assert DENIED in reported
        assert message in reported


def test_the_operator_cannot_change_the_controller_or_remove_the_labels_of_an_object(
    requests: Requests, space: str
) -> None:
    thing = by_people(own("version", space))
    (owner,) = thing["metadata"]["ownerReferences"]
    other = {"metadata": {"ownerReferences": [{**owner, "uid": "uid-other"}]}}
    assert "its controller is another one" in patched(requests, VERSIONS, thing, other)
    bare: dict[str, Any] = {"metadata": {"labels": {labels.MODEL: None}}}
    assert LABELS in patched(requests, VERSIONS, thing, bare)


def test_a_version_without_an_owner_is_adopted_and_one_without_labels_is_not(
    requests: Requests, space: str
) -> None:
    manifest = own("version", space)
    owners = manifest["metadata"].pop("ownerReferences")
    assert patched(
        requests, VERSIONS, by_people(manifest), {"metadata": {"ownerReferences": owners}}
    ) == ""  # fmt: skip
    foreign = own("version", space)
    foreign["metadata"] |= {"labels": {}, "ownerReferences": []}
    adoption = {"metadata": {"ownerReferences": owners, "labels": manifest["metadata"]["labels"]}}
    assert LABELS in patched(requests, VERSIONS, by_people(foreign), adoption)


def status_of(kind: str, thing: Object) -> Object:
    metadata = {key: thing["metadata"][key] for key in ("name", "namespace")}
    return {
        "apiVersion": "recommender.dev/v1alpha1",
        "kind": kind,
        "metadata": metadata,
        "status": {"stage": "Training"},
    }


def test_the_operator_writes_only_the_status_of_models_and_its_own_versions(
    requests: Requests, space: str
) -> None:
    version = by_people(own("version", space))
    assert applied(requests, VERSIONS, status_of("ModelVersion", version), "status") == ""
    foreign = own("version", space)
    foreign["metadata"] |= {"labels": {}, "ownerReferences": []}
    body = status_of("ModelVersion", by_people(foreign))
    assert LABELS in applied(requests, VERSIONS, body, "status")
    model = by_people(rig.manifest(space, "status"))
    assert applied(requests, MODELS, status_of("RecommenderModel", model), "status") == ""


FINALIZER = "recommender.dev/operator"
KEPT = {"finalizers": ["example.com/theirs"], "labels": {"team": "web"}}


@pytest.fixture
def model(space: str, request: pytest.FixtureRequest) -> Object:
    """A model with a label, an annotation and a finalizer that people set."""
    manifest = rig.manifest(space, f"m{abs(hash(request.node.name)) % 10**8}")
    manifest["metadata"] |= {**KEPT, "annotations": {"example.com/a": "b"}}
    return by_people(manifest)


def test_the_operator_can_add_and_remove_its_finalizer_on_a_model(
    model: Object, requests: Requests
) -> None:
    held: Object = {"finalizers": [*KEPT["finalizers"], FINALIZER]}
    assert patched(requests, MODELS, model, {"metadata": held}) == ""
    freed: Object = {"finalizers": KEPT["finalizers"]}
    assert patched(requests, MODELS, model, {"metadata": freed}) == ""


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"spec": {"training": {"seed": 5}}}, "it changes the spec"),
        ({"metadata": {"labels": {"team": "other"}}}, "it changes labels or owners"),
        ({"metadata": {"annotations": {"recommender.dev/abort": "x"}}}, "it changes annotations"),
        ({"metadata": {"annotations": {"kopf.dev/x": "y"}}}, "it changes annotations"),
        ({"metadata": {"annotations": {"example.com/a": None}}}, "it changes annotations"),
        ({"metadata": {"annotations": {"example.com/a": "c"}}}, "it changes annotations"),
        ({"metadata": {"finalizers": [FINALIZER]}}, "it changes finalizers"),
    ],
)
def test_the_operator_cannot_change_anything_else_of_a_model(
    patch: Object, message: str, model: Object, requests: Requests
) -> None:
    reported = patched(requests, MODELS, model, patch)
    assert DENIED in reported
    assert message in reported


def test_the_operator_cannot_change_events_about_other_objects(
    requests: Requests, space: str
) -> None:
    event = own("event", space)
    assert create(requests, "event", event) == ""
    count = {"count": 2}
    assert patched(requests, EVENTS, event, count) == ""
    foreign = own("event", space)
    foreign["involvedObject"]["apiVersion"] = "v1"
    assert "not of recommender.dev" in patched(requests, EVENTS, by_people(foreign), count)


def test_the_policies_do_not_restrict_people_and_other_accounts(space: str) -> None:
    thing = own("job", space)
    put(f"{hostile.POD}.containers.0.image", hostile.IMAGE)(thing)
    assert by_people(thing)["metadata"]["uid"]

"""Manifests equal the golden files, and meet the rules for all manifests."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.api.spec import Resources, ServingSpec
from recommender_operator.api.spec_lists import Diversity, ListExposure
from recommender_operator.api.spec_mapping import DataMapping
from recommender_operator.api.spec_serving import Exploration, Hide
from recommender_operator.observed import JobKind, ModelObject, Routing
from recommender_operator.resources import (
    disruption,
    http_route,
    inference_service,
    jobs,
    labels,
    model_version,
    serving_containers,
)
from recommender_operator.resources.assignment import Assignment
from recommender_operator.resources.options import Options
from recommender_operator.resources.transformer_env import variables
from recommender_serving.process import settings as serving_settings
from recommender_training.cli import main, options
from recommender_training.data_checks.policy import parse_checks
from recommender_training.ingestion.mapping import Format
from tests.unit.recommender_operator.resources.builder_inputs import (
    DIGEST,
    OPTIONS,
    model,
    of_kind,
    version,
)

Golden = Callable[[str, Any], None]
NAMES = {"RECOMMENDER_MODEL": "movies", "RECOMMENDER_VERSION": "movies-0123abcd"}
PAST = "i3.u1.t0-0123456789abcdef"
INPUTS = {
    JobKind.CHECK: {},
    JobKind.TRAIN: {"data_version": "7-00ff"},
    JobKind.RESCALE: {"source_path": "artifacts/movies/00", "source_digest": DIGEST},
    JobKind.PUBLISH: {"staged_path": "staging/movies/movies-0123abcd-1", "digest": DIGEST},
    JobKind.REMOVE: {"paths": "artifacts/movies/00,staging/movies/x-1"},
    JobKind.SNAPSHOT: {"keep": f"{PAST},i4.u1.t0-00000000000000ff"},
}


def job(kind: JobKind) -> labels.Manifest:
    if kind is JobKind.SNAPSHOT:
        return jobs.job(scheduled(), None, kind, 29454480, INPUTS[kind], OPTIONS)
    return jobs.job(model(), of_kind(kind), kind, 1, INPUTS[kind], OPTIONS)


def scheduled(**data: object) -> ModelObject:
    return model(data={"source": {"claimName": "raw"}, "snapshots": {"keep": 48}} | data)


def command_of(manifest: labels.Manifest) -> list[str]:
    found: list[str] = manifest["spec"]["template"]["spec"]["containers"][0]["command"]
    return found


def standard() -> labels.Manifest:
    return inference_service.standard(model(), version(), OPTIONS)


def knative() -> labels.Manifest:
    return inference_service.knative(model(), version(), 10, OPTIONS)


@pytest.mark.parametrize("kind", list(JobKind))
def test_a_job_is_as_expected(kind: JobKind, golden: Golden) -> None:
    golden(f"job_{kind.value}", job(kind))


MAPPING: dict[str, Any] = {
    "interactions": {
        "files": "events/*.csv",
        "user": "u$(HOME)",
        "item": 'größe, "x"',
        "timestamp": "at",
        "timestampUnit": "ISO8601",
        "value": "stars",
    },
    "items": {
        "files": "items.csv",
        "id": "id",
        "features": [
            {"name": "tag", "kind": "MultiCategorical", "column": "tags", "separator": "|"}
        ],
    },
}


def test_the_check_of_mapped_files_is_as_expected(golden: Golden) -> None:
    source = {"claimName": "raw", "path": "shop", "format": "CSV", "mapping": MAPPING}
    owner = model(data={"source": source})
    spec = version().spec.model_copy(update={"data": owner.spec.data})
    mapped = dataclasses.replace(version(), spec=spec)
    manifest = jobs.job(owner, mapped, JobKind.CHECK, 1, {}, OPTIONS)
    golden("job_check_mapped", manifest)
    command = manifest["spec"]["template"]["spec"]["containers"][0]["command"]
    text = command[command.index("--mapping") + 1]
    # the kubelet turns `$$` into `$`; a bare `$(HOME)` it would expand
    assert "$(" not in text.replace("$$", "")
    assert DataMapping.model_validate_json(text.replace("$$", "$")) == (
        owner.spec.data.source.mapping
    )


def test_the_check_gets_non_default_settings_and_the_data_to_compare_with() -> None:
    checks = {"maxVolumeDrop": 0.2, "alpha": 0.01, "levels": {"shift": "Block", "lost": "Block"}}
    data = {"source": {"claimName": "raw"}, "checks": checks}
    spec = version().spec.model_copy(update={"data": model(data=data).spec.data})
    reported = dataclasses.replace(version(), spec=spec)
    inputs = {"against": "i3.u1.t0-00ff"}
    manifest = jobs.job(model(), reported, JobKind.CHECK, 1, inputs, OPTIONS)
    command = manifest["spec"]["template"]["spec"]["containers"][0]["command"]
    arguments = main.parser().parse_args(command[1:])
    assert arguments.checks == '{"levels":{"shift":"Block"},"maxVolumeDrop":0.2}'
    assert arguments.against == "i3.u1.t0-00ff"
    taken = parse_checks(arguments.checks).model_dump(mode="json", by_alias=True)
    assert taken == spec.data.checks.model_dump(mode="json", by_alias=True)


def long_features(count: int) -> list[dict[str, Any]]:
    text = "\U0001f3ac" * 64
    return [
        {"name": f"f{number:039}", "kind": "Numeric", "column": text, "missing": [text] * 10,
         "edges": [-1.2345678901234567e14 + place * 1e10 for place in range(100)],
         "minimum": -9.2345678901234567e14, "maximum": 9.2345678901234567e14,
         "fairness": True}
        for number in range(count)
    ]  # fmt: skip


def test_the_longest_mapping_fits_the_arguments_of_a_process() -> None:
    column, name = "\U0001f3ac" * 64, {"files": "x" * 253, "columns": ["$" * 64] * 100}
    types = [{"type": f"{number:064}", "value": 5} for number in range(50)]
    features = long_features(150)
    mapping = {
        "interactions": {**name, "user": column, "item": column, "session": column,
                         "timestamp": column, "segment": column, "eventType": column,
                         "eventTypes": types, "features": features[:50]},
        "users": {**name, "id": column, "features": features[50:100]},
        "items": {**name, "id": column, "features": features[100:]},
    }  # fmt: skip
    source = {"claimName": "raw", "format": "CSV", "mapping": mapping}
    spec = version().spec.model_copy(update={"data": model(data={"source": source}).spec.data})
    mapped = dataclasses.replace(version(), spec=spec)
    manifest = jobs.job(model(), mapped, JobKind.CHECK, 1, {}, OPTIONS)
    command = manifest["spec"]["template"]["spec"]["containers"][0]["command"]
    sizes = [len(part.encode()) for part in command]
    assert max(sizes) < 128 * 1024  # MAX_ARG_STRLEN of Linux
    assert sum(sizes) < 1024 * 1024  # half of what Linux allows with the environment
    arguments = main.parser().parse_args([part.replace("$$", "$") for part in command[1:]])
    found = options.mapping(arguments, Format.CSV)
    assert found is not None
    assert [len(table.features) for table in found.tables().values()] == [50, 50, 50]
    assert found.tables()["users"].columns == ("$" * 64,) * 100


def test_the_job_after_a_deleted_model_is_as_expected(golden: Golden) -> None:
    inputs = {"paths": "artifacts/movies,staging/movies,lake/movies"}
    golden("job_remove_model", jobs.job(model(), None, JobKind.REMOVE, 0, inputs, OPTIONS))


def test_an_inference_service_of_each_mode_is_as_expected(golden: Golden) -> None:
    golden("inference_service_standard", standard())
    golden("inference_service_knative_canary", knative())


def test_a_route_is_as_expected(golden: Golden) -> None:
    weights = {"movies-0123abcd": 90, "movies-4567cdef": 10, "movies-89abcdef": 0}
    golden("http_route", http_route.http_route(model(), weights, OPTIONS))


def test_a_route_of_an_experiment_is_as_expected(golden: Golden) -> None:
    weights = {"movies-0123abcd": 90, "movies-4567cdef": 10}
    users = Assignment(id="00c0ffee", phase=1, cap=1000, candidate="movies-4567cdef", percent=10)
    routing = Routing(experiment=users.header, tester="let-me-see", tested="movies-4567cdef")
    golden(
        "http_route_experiment",
        http_route.http_route(model(), weights, OPTIONS, routing=routing),
    )


def test_a_route_of_a_shadow_phase_is_as_expected(golden: Golden) -> None:
    routing = Routing(shadow="movies-4567cdef:1000")
    route = http_route.http_route(model(), {"movies-0123abcd": 100}, OPTIONS, routing=routing)
    golden("http_route_shadow", route)


def test_a_model_version_is_as_expected(golden: Golden) -> None:
    golden("model_version", model_version.model_version(model(), "movies-0", version().spec))


def pods() -> Iterator[labels.Manifest]:
    for kind in JobKind:
        yield job(kind)["spec"]["template"]["spec"]
    yield from served()


def served() -> Iterator[labels.Manifest]:
    yield from standard()["spec"].values()
    yield from knative()["spec"].values()


def containers(pod: labels.Manifest) -> Iterator[labels.Manifest]:
    yield from pod.get("containers", [])
    yield from pod.get("initContainers", [])
    if "model" in pod:
        yield pod["model"]


def test_every_container_keeps_to_the_restricted_standard() -> None:
    for pod in pods():
        assert pod["automountServiceAccountToken"] is False
        for container in containers(pod):
            security = container["securityContext"]
            assert security["runAsNonRoot"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]


def test_pods_are_spread_by_labels_that_they_have() -> None:
    for pod in standard()["spec"].values():
        for constraint in pod["topologySpreadConstraints"]:
            assert constraint["labelSelector"]["matchLabels"].items() <= pod["labels"].items()


def test_every_own_container_has_a_read_only_root_and_a_place_to_write() -> None:
    for pod in pods():
        for container in containers(pod):
            if "image" not in container:
                continue
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_a_served_version_cannot_write_to_the_artifact_store() -> None:
    for pod in served():
        claim = pod["volumes"][0]["persistentVolumeClaim"]
        assert claim == {"claimName": "store", "readOnly": True}
        for container in [*pod.get("containers", []), *pod.get("initContainers", [])]:
            mount = container["volumeMounts"][0]
            assert mount["readOnly"] is True
            assert mount["subPath"] == "artifacts/movies/abababababababab"


def test_only_ingesting_jobs_mount_the_raw_data_and_read_only() -> None:
    for kind in JobKind:
        volumes = job(kind)["spec"]["template"]["spec"]["volumes"]
        data = [volume for volume in volumes if volume["name"] == "data"]
        assert bool(data) == (kind in (JobKind.CHECK, JobKind.SNAPSHOT))
        assert all(volume["persistentVolumeClaim"]["readOnly"] for volume in data)


@pytest.mark.parametrize(
    ("pin", "arguments"),
    [
        ({"version": PAST}, ["--data-version", PAST]),
        ({"asOf": "2026-11-01T06:00:00Z"}, ["--as-of", "2026-11-01T06:00:00+00:00"]),
    ],
)
def test_a_check_of_an_earlier_data_version_mounts_only_the_tables(
    pin: dict[str, str], arguments: list[str]
) -> None:
    spec = version().spec.model_copy(update={"data": scheduled(**pin).spec.data})
    pinned = dataclasses.replace(version(), spec=spec)
    manifest = jobs.job(scheduled(), pinned, JobKind.CHECK, 1, {}, OPTIONS)
    volumes = manifest["spec"]["template"]["spec"]["volumes"]
    assert [volume["name"] for volume in volumes] == ["store", "tmp"]
    command = command_of(manifest)
    assert command[2:4] == arguments
    assert not {"--source", "--format", "--mapping", "--max-quarantined-share"} & set(command)
    main.parser().parse_args(command[1:])


def test_the_snapshot_job_has_a_valid_command_and_expires() -> None:
    manifest = job(JobKind.SNAPSHOT)
    arguments = main.parser().parse_args(command_of(manifest)[1:])
    assert (arguments.verb, arguments.keep_snapshots) == ("snapshot", 48)
    assert arguments.keep == [PAST, "i4.u1.t0-00000000000000ff"]
    assert manifest["spec"]["ttlSecondsAfterFinished"] == 3600
    assert manifest["metadata"]["name"] == "movies-snapshot-29454480"
    assert manifest["metadata"]["ownerReferences"][0]["kind"] == "RecommenderModel"


def test_no_snapshot_is_built_for_a_model_without_a_schedule() -> None:
    with pytest.raises(KeyError, match=r"data\.snapshots"):
        jobs.job(model(), None, JobKind.SNAPSHOT, 1, {}, OPTIONS)


def test_in_standard_mode_the_transformer_shares_no_pod_with_triton() -> None:
    spec = standard()["spec"]
    assert "containers" not in spec["predictor"]
    assert "model" not in spec["transformer"]
    arguments = spec["transformer"]["containers"][0]["args"]
    settings = serving_settings.parse(["serve", *arguments], NAMES)
    assert isinstance(settings, serving_settings.ServeSettings)
    assert settings.predictor == "movies-0123abcd-predictor.team:80"
    assert settings.model_wait is not None


def test_kserve_appends_no_argument_of_its_own() -> None:
    for pod in (standard()["spec"]["transformer"], knative()["spec"]["predictor"]):
        arguments = pod["containers"][0]["args"]
        assert {"--model_name", "--predictor_host", "--http_port"} <= set(arguments)


@pytest.mark.parametrize(("replicas", "missing"), [(1, 0), (2, 1), (9, 1)])
def test_of_several_pods_one_may_be_missing_and_the_only_one_is_replaced_first(
    replicas: int, missing: int
) -> None:
    update = disruption.strategy(replicas)["rollingUpdate"]
    assert update == {"maxSurge": 1, "maxUnavailable": missing}


def test_a_disruption_budget_is_as_expected(golden: Golden) -> None:
    stored = standard()
    stored["metadata"]["uid"] = "uid-service"
    component = labels.Component.TRANSFORMER
    golden("disruption_budget", disruption.budget("movies", "movies-0123abcd", component, stored))


def test_in_knative_mode_one_container_has_a_port_and_probes() -> None:
    predictor = knative()["spec"]["predictor"]
    assert [len(c.get("ports", [])) for c in predictor["containers"]] == [1]
    for container in [predictor["model"], *predictor["initContainers"]]:
        assert not {"ports", "readinessProbe", "livenessProbe", "startupProbe"} & set(container)
    assert not {"securityContext", "deploymentStrategy", "terminationGracePeriodSeconds"} & set(
        predictor
    )


def _environment(options: Options, of: ModelObject | None = None) -> dict[str, str]:
    """The variables of the transformer, which its command takes."""
    built = inference_service.standard(of or model(), version(), options)
    (container,) = built["spec"]["transformer"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    serving_settings.parse(["serve", *container["args"]], environment)
    return environment


def test_transformers_of_the_collectors_namespace_alone_get_its_store() -> None:
    url = "redis://store.team.svc:6379/0"
    own = dataclasses.replace(OPTIONS, store_url=url, store_namespace="team")
    assert _environment(own)["RECOMMENDER_STORE_URL"] == url
    assert _environment(own)["RECOMMENDER_HIDE"] == "Interacted,Bought,Disliked"
    for others in (OPTIONS, dataclasses.replace(own, store_namespace="news")):
        assert not {"RECOMMENDER_STORE_URL", "RECOMMENDER_HIDE"} & set(_environment(others))


def test_transformers_log_as_the_installation_says_and_by_default_without_a_variable() -> None:
    said = dataclasses.replace(
        OPTIONS, serving_log_level="DEBUG", serving_log_format="text", serving_log_user_salt="s"
    )
    names = ("LOG_LEVEL", "LOG_FORMAT", "LOG_USER_SALT")
    given = [_environment(said)[f"RECOMMENDER_{name}"] for name in names]
    assert given[:2] == ["DEBUG", "text"]
    assert not {f"RECOMMENDER_{name}" for name in names} & set(_environment(OPTIONS))


def test_a_namespace_gets_a_key_of_its_own_for_the_users_in_its_logs() -> None:
    said = dataclasses.replace(OPTIONS, serving_log_user_salt="a long secret")
    keys = set()
    for namespace in ("team", "team", "other"):
        of = dataclasses.replace(model(), namespace=namespace)
        found = {v["name"]: v["value"] for v in variables(of, version(), said)}
        keys.add(found["RECOMMENDER_LOG_USER_SALT"])
    assert len(keys) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in keys)


def test_transformers_export_traces_if_there_is_a_receiver() -> None:
    said = dataclasses.replace(OPTIONS, tracing_endpoint="http://otel:4318", tracing_ratio=0.5)
    environment = _environment(said)
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel:4318"
    assert environment["OTEL_TRACES_SAMPLER_ARG"] == "0.5"
    assert not [name for name in _environment(OPTIONS) if name.startswith("OTEL")]


@pytest.mark.parametrize("hide", [(), tuple(Hide)])
def test_the_transformer_understands_what_the_resource_leaves_out(hide: tuple[Hide, ...]) -> None:
    own = dataclasses.replace(OPTIONS, store_url="redis://store:6379/0", store_namespace="team")
    of = model(serving={"hide": [each.value for each in hide]})
    built = inference_service.standard(of, version(), own)
    (container,) = built["spec"]["transformer"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    parsed = serving_settings.parse(["serve", *container["args"]], environment)
    assert isinstance(parsed, serving_settings.ServeSettings)
    assert sorted(parsed.hide) == sorted(each.value for each in hide)


def test_transformers_report_the_share_of_impressions_that_the_resource_wants() -> None:
    url = "http://collector.team.svc"
    own = dataclasses.replace(OPTIONS, collector_url=url, store_namespace="team")
    names = {"RECOMMENDER_COLLECTOR_URL", "RECOMMENDER_IMPRESSIONS"}
    assert not names & set(_environment(own)), "it is off unless it is asked for"
    wanted = model(serving={"impressions": 0.25})
    given = _environment(own, wanted)
    assert {name: given[name] for name in names} == dict(
        zip(sorted(names), (url, "0.25"), strict=True)
    )
    for others in (OPTIONS, dataclasses.replace(own, store_namespace="news")):
        assert not names & set(_environment(others, wanted))


def test_transformers_report_predictions_of_a_label_that_impressions_have() -> None:
    own = dataclasses.replace(
        OPTIONS, collector_url="http://collector.team.svc", store_namespace="team"
    )
    label = {
        "positiveTypes": [{"type": "purchase"}],
        "attribution": {"impressions": ["impression"], "hours": 24},
    }
    wanted = model(serving={"impressions": 1})
    assert "RECOMMENDER_PREDICTIONS" not in _environment(own, wanted)
    interactions = {
        **MAPPING["interactions"], "eventType": "kind", "eventTypes": [{"type": "purchase"}]
    }  # fmt: skip
    mapping = {**MAPPING, "interactions": interactions, "label": label}
    source = {"claimName": "raw", "path": "shop", "format": "CSV", "mapping": mapping}
    labelled = model(serving={"impressions": 1}, data={"source": source})
    assert _environment(own, labelled)["RECOMMENDER_PREDICTIONS"] == "true"


def test_the_transformer_understands_how_answers_explore() -> None:
    own = dataclasses.replace(
        OPTIONS, collector_url="http://collector.team.svc", store_namespace="team"
    )
    wanted = model(serving={"impressions": 1, "exploration": {"share": 0.01}})
    given = _environment(own, wanted)
    assert given["RECOMMENDER_EXPLORATION"] == '{"share": 0.01, "pool": 10}'
    parsed = serving_settings.parse(["serve", "--artifact", "/artifact"], given)
    assert isinstance(parsed, serving_settings.ServeSettings)
    assert parsed.explores is not None
    assert (parsed.explores.share, parsed.explores.pool) == (0.01, 10)
    for others in (OPTIONS, dataclasses.replace(own, store_namespace="news")):
        assert "RECOMMENDER_EXPLORATION" not in _environment(others, wanted), "nobody would know"
    assert "RECOMMENDER_EXPLORATION" not in _environment(own, model(serving={"impressions": 1}))


def test_the_transformer_understands_the_bounds_of_its_cache() -> None:
    of = model(serving={"cache": {"seconds": 9, "maxMegabytes": 32}})
    for built in (
        inference_service.standard(of, version(), OPTIONS)["spec"]["transformer"],
        inference_service.knative(of, version(), 10, OPTIONS)["spec"]["predictor"],
    ):
        (container,) = built["containers"]
        environment = {each["name"]: each["value"] for each in container["env"]}
        parsed = serving_settings.parse(["serve", *container["args"]], environment)
        assert isinstance(parsed, serving_settings.ServeSettings)
        assert parsed.cache is not None
        assert (parsed.cache.seconds, parsed.cache.entries) == (9, 10_000)
        assert parsed.cache.bytes == 32 * 2**20
    assert "RECOMMENDER_ANSWER_CACHE" not in _environment(OPTIONS)


def test_transformers_follow_what_is_popular_if_the_resource_wants_it() -> None:
    own = dataclasses.replace(OPTIONS, store_url="redis://store:6379/0", store_namespace="team")
    assert "RECOMMENDER_TRENDING" not in _environment(own)
    wanted = model(serving={"trending": True})
    assert _environment(own, wanted)["RECOMMENDER_TRENDING"] == "true"
    assert "RECOMMENDER_TRENDING" not in _environment(OPTIONS, wanted), "without a store"


def test_a_version_that_was_not_published_is_not_served() -> None:
    with pytest.raises(serving_containers.NotPublishedError, match="movies-0123abcd"):
        inference_service.standard(model(), version(published=False), OPTIONS)


def test_a_job_without_its_input_is_not_built() -> None:
    with pytest.raises(KeyError, match="data_version"):
        jobs.job(model(), version(), JobKind.TRAIN, 0, {}, OPTIONS)


def test_files_are_removed_by_a_job_that_outlives_their_version() -> None:
    assert job(JobKind.REMOVE)["metadata"]["ownerReferences"][0]["kind"] == "RecommenderModel"
    assert job(JobKind.TRAIN)["metadata"]["ownerReferences"][0]["kind"] == "ModelVersion"


def test_the_training_job_gets_the_training_section_as_one_argument() -> None:
    command = job(JobKind.TRAIN)["spec"]["template"]["spec"]["containers"][0]["command"]
    config = json.loads(command[command.index("--config") + 1])
    assert config | {"workers": 1} == version().spec.training.dump()
    assert "workers" not in config, "a training image of before refuses what it does not know"


def test_the_training_job_gets_the_champions_artifact_if_there_is_one_to_compare_with() -> None:
    inputs = {"data_version": "7-abc"}
    champion = {"champion_path": "artifacts/movies/ab", "champion_digest": "sha256:" + "ab" * 32}

    def command(reported: dict[str, str]) -> list[str]:
        built = jobs.job(model(), version(), JobKind.TRAIN, 1, reported, OPTIONS)
        words: list[str] = built["spec"]["template"]["spec"]["containers"][0]["command"]
        return words

    alone, compared = command(inputs), command(inputs | champion)
    options = ["--champion-artifact", "/store/artifacts/movies/ab",
               "--champion-digest", champion["champion_digest"]]  # fmt: skip
    assert [word for word in compared if word not in alone] == options
    assert compared[compared.index(options[0]) :][:4] == options
    before = {"previous_path": "artifacts/movies/cd", "previous_digest": "sha256:" + "cd" * 32}
    options += ["--previous-artifact", "/store/artifacts/movies/cd",
                "--previous-digest", before["previous_digest"]]  # fmt: skip
    assert [word for word in command(inputs | champion | before) if word not in alone] == options


@pytest.mark.parametrize(
    ("cpu", "limit", "threads"),
    [("500m", None, 1), ("2", None, 2), ("1500m", None, 2), ("1", "4", 4), ("0.5", None, 1)],
)
def test_a_job_uses_as_many_threads_as_it_has_cores(
    cpu: str, limit: str | None, threads: int
) -> None:
    assert jobs.threads_for(Resources(cpu=cpu, cpu_limit=limit)) == threads


BRANDS = Diversity(feature="brand", max_per_category=3)
SMALL = ListExposure(feature="vendor", categories=("small", "new"), min_share=0.2)


def test_the_serving_digest_covers_the_settings_of_running_versions() -> None:
    base = inference_service.serving_digest(ServingSpec())
    assert inference_service.serving_digest(ServingSpec(replicas=3)) != base
    assert inference_service.serving_digest(ServingSpec(transformer_replicas=3)) != base
    assert inference_service.serving_digest(ServingSpec(timeout_milliseconds=50)) != base
    assert inference_service.serving_digest(ServingSpec(hide=())) != base
    assert inference_service.serving_digest(ServingSpec(diversity=(BRANDS,))) != base
    assert inference_service.serving_digest(ServingSpec(exposure=(SMALL,))) != base
    explores = ServingSpec(exploration=Exploration(share=0.1))
    assert inference_service.serving_digest(explores) != base
    assert inference_service.serving_digest(ServingSpec(host="a.example")) == base
    assert inference_service.serving_digest(ServingSpec(keep_previous=False)) == base


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(-5, 105), max_size=4))
def test_a_route_has_exactly_the_given_weights_or_is_refused(
    weights: dict[str, int],
) -> None:
    good = sum(weights.values()) == 100 and all(0 <= w <= 100 for w in weights.values())
    if not good:
        with pytest.raises(ValueError, match="sum to 100"):
            http_route.http_route(model(), weights, OPTIONS)
        return
    route = http_route.http_route(model(), weights, OPTIONS)
    assert http_route.weights_of(route) == {k: w for k, w in weights.items() if w > 0}
    grpc, rest = route["spec"]["rules"]
    assert [b["weight"] for b in grpc["backendRefs"]] == [b["weight"] for b in rest["backendRefs"]]

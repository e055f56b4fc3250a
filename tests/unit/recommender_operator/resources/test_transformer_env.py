"""The transformer understands the variables that the operator sets from the resource."""

from __future__ import annotations

import dataclasses

import pytest

from recommender_contract.online_store import Hide
from recommender_operator.adapters.traffic.knative import knative_manifests
from recommender_operator.observed import ModelObject
from recommender_operator.resources import inference_service
from recommender_operator.resources.options import Options
from recommender_serving.domain.callers import UNKNOWN, Callers
from recommender_serving.process import settings as serving_settings
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version
from tests.unit.recommender_operator.resources.built_manifests import MAPPING


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
    asked = model(events={"hide": ["Seen"]})
    assert _environment(own, asked)["RECOMMENDER_HIDE"] == "Seen"
    for others in (OPTIONS, dataclasses.replace(own, store_namespace="news")):
        given = _environment(others, asked)
        assert not {"RECOMMENDER_STORE_URL", "RECOMMENDER_HIDE"} & set(given)


def test_transformers_of_the_collectors_namespace_alone_get_its_secret() -> None:
    own = dataclasses.replace(OPTIONS, collector_secret="keys", store_namespace="team")
    built = [
        inference_service.standard(model(), version(), own)["spec"],
        knative_manifests.service(model(), version(), None, own)["spec"],
    ]
    for pods, others in ((built[0]["transformer"], [built[0]["predictor"]]),
                         (built[1]["predictor"], [])):  # fmt: skip
        (volume,) = (each for each in pods["volumes"] if "secret" in each)
        assert volume["secret"] == {"secretName": "keys", "optional": True}
        mounts = pods["containers"][0]["volumeMounts"]
        (mount,) = (each for each in mounts if each["name"] == volume["name"])
        assert (mount["readOnly"], "subPath" in mount) == (True, False)
        given = {each["name"]: each["value"] for each in pods["containers"][0]["env"]}
        assert given["RECOMMENDER_COLLECTOR_KEYS"] == mount["mountPath"]
        for triton in others:
            assert not any("secret" in each for each in triton["volumes"])
    for options in (OPTIONS, dataclasses.replace(own, store_namespace="news")):
        found = inference_service.standard(model(), version(), options)["spec"]["transformer"]
        assert not any("secret" in each for each in found["volumes"])
        assert "RECOMMENDER_COLLECTOR_KEYS" not in _environment(options)


def test_transformers_log_as_the_installation_says_and_by_default_without_a_variable() -> None:
    said = dataclasses.replace(OPTIONS, serving_log_level="DEBUG", serving_log_format="text")
    names = ("LOG_LEVEL", "LOG_FORMAT")
    given = [_environment(said)[f"RECOMMENDER_{name}"] for name in names]
    assert given == ["DEBUG", "text"]
    assert not {f"RECOMMENDER_{name}" for name in names} & set(_environment(OPTIONS))


def test_a_namespace_gets_a_key_of_its_own_for_the_users_in_its_logs() -> None:
    said = dataclasses.replace(OPTIONS, log_key_secret="log-key")
    for namespace in ("team", "other"):
        of = dataclasses.replace(model(), namespace=namespace)
        built = inference_service.standard(of, version(), said)
        assert built["metadata"]["namespace"] == namespace, "where a pod's Secrets are"
        volumes = built["spec"]["transformer"]["volumes"]
        (secret,) = (each["secret"] for each in volumes if each["name"] == "log-key")
        assert secret["secretName"] == "log-key"
        assert _environment(said, of)["RECOMMENDER_LOG_USER_KEY_FILE"].endswith("/log-key/key")
    assert "RECOMMENDER_LOG_USER_KEY_FILE" not in _environment(OPTIONS)


def test_transformers_export_traces_if_there_is_a_receiver() -> None:
    said = dataclasses.replace(OPTIONS, tracing_endpoint="http://otel:4318", tracing_ratio=0.5)
    environment = _environment(said)
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel:4318"
    assert environment["OTEL_TRACES_SAMPLER_ARG"] == "0.5"
    assert not [name for name in _environment(OPTIONS) if name.startswith("OTEL")]


DEFAULT_OF_VERSIONS_WITHOUT_REPEATS = (Hide.INTERACTED, Hide.BOUGHT, Hide.DISLIKED)


@pytest.mark.parametrize(
    "hide", [None, (), DEFAULT_OF_VERSIONS_WITHOUT_REPEATS, tuple(Hide)], ids=str
)
def test_the_transformer_understands_what_the_resource_leaves_out(
    hide: tuple[Hide, ...] | None,
) -> None:
    """Without a list nothing is said, so that the version decides; an empty one is a list."""
    own = dataclasses.replace(OPTIONS, store_url="redis://store:6379/0", store_namespace="team")
    of = model(events={} if hide is None else {"hide": [each.value for each in hide]})
    built = inference_service.standard(of, version(), own)
    (container,) = built["spec"]["transformer"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    parsed = serving_settings.parse(["serve", *container["args"]], environment)
    assert isinstance(parsed, serving_settings.ServeSettings)
    assert ("RECOMMENDER_HIDE" in environment) is (hide is not None)
    assert parsed.hide == (None if hide is None else frozenset(hide))


def test_transformers_report_the_share_of_impressions_that_the_resource_wants() -> None:
    url = "http://collector.team.svc"
    own = dataclasses.replace(OPTIONS, collector_url=url, store_namespace="team")
    names = {"RECOMMENDER_COLLECTOR_URL", "RECOMMENDER_IMPRESSIONS"}
    assert not names & set(_environment(own)), "it is off unless it is asked for"
    wanted = model(events={"impressions": 0.25})
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
    wanted = model(events={"impressions": 1})
    assert "RECOMMENDER_PREDICTIONS" not in _environment(own, wanted)
    interactions = {
        **MAPPING["interactions"], "eventType": "kind", "eventTypes": [{"type": "purchase"}]
    }  # fmt: skip
    mapping = {**MAPPING, "interactions": interactions, "label": label}
    source = {
        "persistentVolumeClaim": {"claimName": "raw", "path": "shop"},
        "format": "CSV",
        "mapping": mapping,
    }
    labelled = model(events={"impressions": 1}, data={"source": source})
    assert _environment(own, labelled)["RECOMMENDER_PREDICTIONS"] == "true"


def test_the_transformer_understands_how_answers_explore() -> None:
    own = dataclasses.replace(
        OPTIONS, collector_url="http://collector.team.svc", store_namespace="team"
    )
    wanted = model(events={"impressions": 1, "exploration": {"share": 0.01}})
    given = _environment(own, wanted)
    assert given["RECOMMENDER_EXPLORATION"] == '{"share": 0.01, "pool": 10}'
    parsed = serving_settings.parse(["serve", "--artifact", "/artifact"], given)
    assert isinstance(parsed, serving_settings.ServeSettings)
    assert parsed.explores is not None
    assert (parsed.explores.share, parsed.explores.pool) == (0.01, 10)
    for others in (OPTIONS, dataclasses.replace(own, store_namespace="news")):
        assert "RECOMMENDER_EXPLORATION" not in _environment(others, wanted), "nobody would know"
    assert "RECOMMENDER_EXPLORATION" not in _environment(own, model(events={"impressions": 1}))


def test_the_transformer_understands_the_bounds_of_its_cache() -> None:
    of = model(serving={"cache": {"seconds": 9, "maxMegabytes": 32}})
    for built in (
        inference_service.standard(of, version(), OPTIONS)["spec"]["transformer"],
        knative_manifests.service(of, version(), 10, OPTIONS)["spec"]["predictor"],
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
    wanted = model(events={"trending": True})
    assert _environment(own, wanted)["RECOMMENDER_TRENDING"] == "true"
    assert "RECOMMENDER_TRENDING" not in _environment(OPTIONS, wanted), "without a store"


def test_transformers_know_whether_callers_are_trusted_or_which_header_names_the_user() -> None:
    def told(**callers: object) -> Callers:
        served = model(serving={"callers": callers})
        environment = _environment(OPTIONS, served)
        found = serving_settings.parse(["serve", "--artifact", "/a"], environment)
        assert isinstance(found, serving_settings.ServeSettings)
        return found.callers

    assert told() == UNKNOWN
    assert told(trusted=True) == Callers(trusted=True)
    assert told(userHeader="x-user-id") == Callers(user_header="x-user-id")
    assert "RECOMMENDER_CALLERS" not in _environment(OPTIONS)

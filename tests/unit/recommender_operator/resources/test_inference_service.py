"""InferenceServices of both modes: their containers, and what another setting changes."""

from __future__ import annotations

import pytest

from recommender_operator.api.spec import ServingSpec
from recommender_operator.api.spec_events import EventsSpec, Exploration
from recommender_operator.api.spec_lists import Diversity, ListExposure
from recommender_operator.resources import inference_service, serving_containers
from recommender_serving.process import settings as serving_settings
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version
from tests.unit.recommender_operator.resources.built_manifests import Golden, knative, standard

NAMES = {"RECOMMENDER_MODEL": "movies", "RECOMMENDER_VERSION": "movies-0123abcd"}


def test_an_inference_service_of_each_mode_is_as_expected(golden: Golden) -> None:
    golden("inference_service_standard", standard())
    golden("inference_service_knative_canary", knative())


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


def test_in_knative_mode_one_container_has_a_port_and_probes() -> None:
    predictor = knative()["spec"]["predictor"]
    assert [len(c.get("ports", [])) for c in predictor["containers"]] == [1]
    for container in [predictor["model"], *predictor["initContainers"]]:
        assert not {"ports", "readinessProbe", "livenessProbe", "startupProbe"} & set(container)
    assert not {"securityContext", "deploymentStrategy", "terminationGracePeriodSeconds"} & set(
        predictor
    )


def test_a_version_that_was_not_published_is_not_served() -> None:
    with pytest.raises(serving_containers.NotPublishedError, match="movies-0123abcd"):
        inference_service.standard(model(), version(published=False), OPTIONS)


BRANDS = Diversity(feature="brand", max_per_category=3)
SMALL = ListExposure(feature="vendor", categories=("small", "new"), min_share=0.2)


def test_the_serving_digest_covers_the_settings_of_running_versions() -> None:
    digest, events = inference_service.serving_digest, EventsSpec()
    base = digest(ServingSpec(), events)
    assert digest(ServingSpec(replicas=3), events) != base
    assert digest(ServingSpec(transformer_replicas=3), events) != base
    assert digest(ServingSpec(timeout_milliseconds=50), events) != base
    assert digest(ServingSpec(diversity=(BRANDS,)), events) != base
    assert digest(ServingSpec(exposure=(SMALL,)), events) != base
    assert digest(ServingSpec(), EventsSpec(hide=())) != base
    assert digest(ServingSpec(), EventsSpec(trending=True)) != base
    assert digest(ServingSpec(), EventsSpec(exploration=Exploration(share=0.1))) != base
    assert digest(ServingSpec(host="a.example"), events) == base
    assert digest(ServingSpec(keep_previous=False), events) == base

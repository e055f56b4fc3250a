"""The loop's model, as a cluster gets it."""

from __future__ import annotations

import json
from typing import Any

import yaml

from recommender_collector.domain.declaration import Declaration
from recommender_contract.resource.mapping import Format
from recommender_operator.api.spec import RecommenderModelSpec
from recommender_operator.experiments.estimates import MIN_USERS
from recommender_simulate.arguments import parser
from recommender_simulate.population import named
from recommender_simulate.user_tastes import Tastes
from recommender_training.data.training_window import TRAIN_SHARE, VALIDATION_SHARE
from recommender_training.evaluation.off_policy import MIN_EFFECTIVE_ROWS
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests.pages import charts, models
from tests.scenario import collecting, install, loop, loop_figures
from tests.scenario.setup import BASE_SPEC
from tests.scenario.world import merged

NAME = "loop-12ab"


def applied() -> dict[str, Any]:
    return merged(BASE_SPEC, loop.spec(NAME))


def test_the_model_is_valid_and_reads_what_its_writer_writes() -> None:
    spec = RecommenderModelSpec.model_validate(applied())
    values: Any = loop.collected(NAME)
    source, files = spec.data.source.persistent_volume_claim, values["writer"]["files"]
    assert (source.claim_name, source.path) == (files["claimName"], f"{files['subPath']}/{NAME}")
    assert spec.data.window.days is None, "of minutes there are no days"
    document = {
        "apiVersion": "recommender.dev/v1alpha1",
        "kind": models.KIND,
        "metadata": {"name": NAME},
        "spec": applied(),
    }
    assert list(models.problems(document)) == []


def test_collector_and_training_read_the_same_mapping_with_labels_of_shown_items() -> None:
    mapping = applied()["data"]["source"]["mapping"]
    models_of: Any = loop.collected(NAME)["models"]
    assert models_of[NAME]["mapping"] == mapping
    parsed = parse_mapping(json.dumps(mapping), Format.JSON_LINES)
    assert parsed is not None
    assert parsed.label is not None
    assert parsed.label.of_shown_items
    assert Declaration.model_validate({"models": models_of}).models[NAME].outcome is not None


def test_the_chart_accepts_the_values_of_its_collector() -> None:
    assert list(charts.value_problems({"collector": loop.collected(NAME)})) == []


def read(*parts: str) -> Any:
    return yaml.safe_load(install.ROOT.joinpath("manifests", *parts).read_text(encoding="utf-8"))


def test_the_page_shows_the_values_of_the_collector_and_they_have_the_samples_mapping() -> None:
    sample = read("samples", "closed-loop.yaml")["spec"]["data"]["source"]
    folder = sample["persistentVolumeClaim"]
    page = (install.ROOT / "docs" / "closed-loop.md").read_text(encoding="utf-8")
    block = page.partition("```yaml\n")[2].partition("```")[0]
    values = read("closed-loop", "collector.yaml")
    assert yaml.safe_load(block) == values
    assert values["collector"]["models"]["shop"]["mapping"] == sample["mapping"]
    files = values["collector"]["writer"]["files"]
    assert (folder["claimName"], folder["path"]) == (
        files["claimName"], f"{files['subPath']}/shop"
    )  # fmt: skip


def test_the_claims_of_the_page_are_those_of_the_sample() -> None:
    spec = read("samples", "closed-loop.yaml")["spec"]
    text = (install.ROOT / "manifests" / "closed-loop" / "claims.yaml").read_text("utf-8")
    claims = {each["metadata"]["name"]: each["metadata"] for each in yaml.safe_load_all(text)}
    store = claims.pop(spec["storage"]["persistentVolumeClaim"]["claimName"])
    assert store["labels"] == install.STORAGE
    assert list(claims) == [spec["data"]["source"]["persistentVolumeClaim"]["claimName"]]


def test_a_rehearsal_is_a_valid_model_of_its_release_whose_collector_has_its_mapping() -> None:
    model = merged(read("samples", "closed-loop.yaml"), read("closed-loop", "rehearsal.yaml"))
    assert list(models.problems(model)) == []
    values = merged(
        read("closed-loop", "collector.yaml"), read("closed-loop", "rehearsal-values.yaml")
    )
    assert list(charts.value_problems(values)) == []
    mapping = values["collector"]["models"]["shop"]["mapping"]
    assert mapping == model["spec"]["data"]["source"]["mapping"]
    instance = values["operator"]["instance"]
    assert model["metadata"]["labels"] == {"recommender.dev/instance": instance}
    assert values["watchNamespaces"] == [], "only its own namespace"


def test_a_gate_on_explored_places_allows_what_chance_does_to_equal_versions() -> None:
    gates = read("samples", "closed-loop.yaml")["spec"]["evaluation"]["gates"]
    (least,) = (gate["min"] for gate in gates if gate["metric"] == loop_figures.GAIN)
    assert least <= -0.04, "half of the interval of 600 places"


def test_the_users_of_the_first_model_leave_enough_explored_places_for_an_estimate() -> None:
    exploration = applied()["serving"]["exploration"]
    answers = sum(
        each["seconds"] * each["rate"] for each in (loop.RANDOM_LISTS, loop.FIRST_ANSWERS)
    )
    places = answers * (1 - TRAIN_SHARE - VALIDATION_SHARE) * exploration["share"]
    # An item of the pool was drawn where a version would have chosen it, by chance.
    chosen, chance = places / exploration["pool"], places**0.5 / exploration["pool"]
    assert chosen - 4 * chance >= MIN_EFFECTIVE_ROWS


def test_mixed_lists_have_enough_users_for_an_interval() -> None:
    plan = RecommenderModelSpec.model_validate(applied()).rollout.interleaving
    assert plan is not None
    assert plan.users >= MIN_USERS
    share = plan.percent / 100
    count, chance = len(loop.USERS) * share, (len(loop.USERS) * share * (1 - share)) ** 0.5
    # A third of them may not click in time.
    assert count - 4 * chance >= 1.3 * plan.users


def test_the_simulator_has_the_users_and_items_of_the_table() -> None:
    given = parser().parse_args(["--random", *collecting.flags(loop.SHOP)])
    assert named(given.users, given.user_prefix) == loop.USERS
    assert named(given.items, given.item_prefix) == loop.ITEMS
    assert Tastes(given.tastes, given.click_rate, given.spread) == loop.TASTES

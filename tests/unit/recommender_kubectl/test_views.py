"""What the verbs that read print."""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Callable, Iterator, Sequence

import pytest

from recommender_contract.typed_json import path_of
from recommender_kubectl import experiment_objects, fields, objects, text
from recommender_kubectl.console import plain
from recommender_kubectl.text import Style
from recommender_kubectl.views import diff, history, status, why
from recommender_operator.api import crd
from recommender_operator.api.spec import RecommenderModelSpec
from recommender_operator.api.status import RecommenderModelStatus
from recommender_operator.api.version import ModelVersionSpec, ModelVersionStatus
from tests.unit.recommender_kubectl import samples
from tests.unit.recommender_kubectl.samples import CANDIDATE, CHAMPION, NOW, OLD

Expected = Callable[[str, Sequence[str]], None]
PIPE = Style()


def test_every_field_that_is_read_exists_in_the_definitions() -> None:
    source = pathlib.Path(str(fields.__file__)).read_text(encoding="utf-8")
    read = set(re.findall(r"""(?:\.get\(|\[)"(\w+)\"""", source))
    given = set(re.findall(r"(\w+)=", source))
    for module in (objects, experiment_objects):
        for kind in filter(dataclasses.is_dataclass, vars(module).values()):
            named = [each for each in dataclasses.fields(kind) if each.name not in given]
            read |= {name for each in named for name in path_of(each)}
    defined = {"metadata", "namespace", "name", "resourceVersion", "generation"}
    defined |= {"spec", "status", "creationTimestamp", "annotations"}
    for definition in crd.render_all().values():
        defined |= set(_properties(definition))
    assert len(read) > 60
    assert read - defined == set()


def _properties(node: object) -> Iterator[str]:
    """Yield the names of all properties of a schema."""
    if isinstance(node, dict):
        yield from node.get("properties", {})
        for one in node.values():
            yield from _properties(one)
    elif isinstance(node, list):
        for one in node:
            yield from _properties(one)


def test_the_operator_reads_the_samples() -> None:
    RecommenderModelSpec.model_validate(samples.MODEL["spec"])
    RecommenderModelStatus.model_validate(samples.MODEL["status"])
    for body in samples.versions():
        ModelVersionSpec.model_validate(body["spec"])
        ModelVersionStatus.model_validate(body["status"])


def test_a_status_says_who_answers_how_far_it_is_and_what_holds(expected: Expected) -> None:
    seen = status.of_model(samples.read_model(), samples.read_versions(), NOW)
    expected("status", status.render(seen, PIPE, NOW))


def test_a_status_names_what_stops_a_model(expected: Expected) -> None:
    model = samples.read_model(
        {"paused": True, "rollbackTo": OLD},
        observedGeneration=2, routePendingSince=samples.at(3),
    )  # fmt: skip
    seen = status.of_model(model, samples.read_versions(), NOW)
    expected("status_stopped", status.render(seen, PIPE, NOW))


def test_a_status_shows_a_proposed_retraining_and_how_to_accept_it() -> None:
    said = "a retraining is proposed: annotate recommender.dev/retrain"
    proposed = samples.condition("RetrainProposed", "True", "Shifted", said)
    model = samples.read_model(conditions=[proposed])
    lines = status.render(status.of_model(model, [], NOW), PIPE, NOW)
    assert any("RetrainProposed" in line and f"Shifted: {said}" in line for line in lines)


def test_a_model_without_a_status_has_one_to_show() -> None:
    model = fields.read_model({"metadata": {"name": "new", "namespace": "team-a"}})
    lines = status.render(status.of_model(model, [], NOW), PIPE, NOW)
    assert lines[0] == "new in team-a: Pending"
    assert "none: no version serves yet" in "\n".join(lines)


def test_all_models_are_a_table(expected: Expected) -> None:
    locked, versions = samples.rolled_back()
    seen = [
        status.of_model(samples.read_model(), samples.read_versions(), NOW),
        status.of_model(locked, versions, NOW),
    ]
    lines = status.render_all(seen, PIPE, namespaces=True)
    expected("status_all", [*lines, "", *status.render_all(seen, PIPE, namespaces=False)])


def test_why_has_the_numbers_of_the_current_step_and_what_follows(expected: Expected) -> None:
    seen = why.of_version(samples.read_model(), samples.read_versions(), None)
    expected("why_candidate", why.render(seen, PIPE, NOW))


def test_why_has_the_numbers_of_the_last_decision_and_the_remedy(expected: Expected) -> None:
    model, versions = samples.rolled_back()
    seen = why.of_version(model, versions, None)
    expected("why_rolled_back", why.render(seen, PIPE, NOW, all_steps=True))


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("AwaitingPromotion", "Manual"),
        ("PromotionBlockedByDrift", "drifted"),
        ("HeldAtDeadline", "too few requests"),
    ],
)
def test_why_says_that_a_person_must_decide(reason: str, word: str) -> None:
    waits = samples.condition("AnalysisPassed", "True", reason)
    seen = why.of_version(samples.read_model(conditions=[waits]), samples.read_versions(), None)
    assert word in seen.next
    assert "`kubectl recommender promote movies`" in seen.next


def test_why_of_an_unknown_version_names_those_that_exist() -> None:
    with pytest.raises(why.NoVersionError, match=f"'x'.*{OLD}, {CHAMPION}, {CANDIDATE}"):
        why.of_version(samples.read_model(), samples.read_versions(), "x")


def test_why_shows_the_failure_of_a_version_without_a_decision() -> None:
    versions = samples.read_versions(stage="Training", steps=[], failure="OOMKilled: 2 GiB")
    lines = why.render(why.of_version(samples.read_model(), versions, None), PIPE, NOW)
    assert "OOMKilled: 2 GiB" in lines


def test_a_history_has_the_newest_version_first(expected: Expected) -> None:
    entries = history.of_model(samples.read_model(), samples.read_versions())
    assert [one.version for one in entries] == [CANDIDATE, CHAMPION, OLD]
    expected("history", history.render(entries, PIPE, NOW))


def test_a_difference_names_settings_data_and_metrics(expected: Expected) -> None:
    _, first, second = samples.read_versions()
    found = diff.of_versions(first, second)
    assert {one.section for one in found} == {"training", "lineage", "metrics", "outcome"}
    expected("diff", diff.render((first.name, second.name), found, PIPE))


def test_a_version_does_not_differ_from_itself() -> None:
    one = samples.read_versions()[0]
    assert diff.of_versions(one, one) == []
    assert diff.render(("a", "a"), [], PIPE) == ["a and a do not differ"]


def test_json_has_the_keys_and_times_of_the_api() -> None:
    seen = status.of_model(samples.read_model(), samples.read_versions(), NOW)
    said = plain(seen)
    assert said["champion"]["promotedAt"] == samples.at(4280)
    assert said["lastOutcome"]["reason"] == "StepsPassed"
    assert said["progress"]["secondsLeft"] > 0


def test_colours_move_no_column() -> None:
    seen = [status.of_model(samples.read_model(), samples.read_versions(), NOW)]
    painted = status.render_all(seen, Style(colour=True), namespaces=False)
    plainly = status.render_all(seen, PIPE, namespaces=False)
    assert painted != plainly
    assert [text.unpainted(line) for line in painted] == plainly


def test_lines_fit_a_terminal_and_lose_no_word() -> None:
    seen = status.of_model(samples.read_model(), samples.read_versions(), NOW)
    wide = status.render(seen, PIPE, NOW)
    narrow = status.render(seen, Style(colour=True, width=60), NOW)
    assert max(len(text.unpainted(line)) for line in narrow) <= 60
    assert text.unpainted(" ".join(narrow)).split() == " ".join(wide).split()


def test_the_shadow_phase_has_a_name_and_a_next_step() -> None:
    phase = {"weight": 0, "startedAt": samples.at(2), "verdict": "Inconclusive"}
    versions = samples.read_versions(steps=[phase])
    lines = why.render(why.of_version(samples.read_model(), versions, None), PIPE, NOW)
    assert "Shadow phase for 2 min: Inconclusive" in "\n".join(lines)
    assert "nobody sees its answers" in lines[-1]


def test_a_status_says_what_the_recommender_gains_over_its_holdout() -> None:
    said = "4000 other users compared with 1000 of the holdout: ClickThroughRate +30.0%"
    model = samples.read_model(holdout={"id": "5c0ffee5", "message": said})
    lines = status.render(status.of_model(model, [], NOW), PIPE, NOW)
    assert [line for line in lines if line.startswith("Holdout")] == [f"Holdout        {said}"]
    without = status.render(status.of_model(samples.read_model(), [], NOW), PIPE, NOW)
    assert not any(line.startswith("Holdout") for line in without)


def test_a_fresh_champion_is_shown_with_its_part_and_at_the_steps_that_had_it() -> None:
    name = f"{samples.CHAMPION}-f"
    model = samples.read_model(freshChampion=name, freshChampionWeight=50)
    lines = status.render(status.of_model(model, samples.read_versions(), NOW), PIPE, NOW)
    (line,) = [line for line in lines if line.startswith("Fresh champion")]
    assert f"{name}, 50 % of the requests, a part of the champion's" in line
    away = samples.read_model(freshChampion=name, freshChampionWeight=0)
    lines = status.render(status.of_model(away, samples.read_versions(), NOW), PIPE, NOW)
    assert any("gets no requests now" in line for line in lines)
    without = status.render(
        status.of_model(samples.read_model(), samples.read_versions(), NOW), PIPE, NOW
    )
    assert not any(line.startswith("Fresh champion") for line in without)
    step = {"weight": 10, "startedAt": samples.at(2), "verdict": "Pass", "freshChampion": True}
    explained = why.of_version(model, samples.read_versions(steps=[step]), None)
    assert "Step at 10 % beside a fresh champion" in "\n".join(why.render(explained, PIPE, NOW))

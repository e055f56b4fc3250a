"""The pages show what matters, and no text of the cluster becomes markup."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from recommender_console import actions, object_details
from recommender_console.actions import BY_VERB
from recommender_console.pages import forms, listing, model, report_frame, version
from recommender_console.pages.listing import Filter
from recommender_kubectl.views import diff
from tests.unit.recommender_console import samples
from tests.unit.recommender_console.samples import CANDIDATE, CHAMPION, NOW, OLD, VISITOR
from tests.unit.recommender_console.test_markup import HOSTILE, elements
from tests.unit.recommender_kubectl.samples import EXPERIMENT

Json = dict[str, Any]
NAMES = re.compile(r"[a-z0-9.-]+")
#: Texts that the API server checks: names of objects, times, and words of a fixed list.
CHECKED = {
    "name", "namespace", "resourceVersion", "creationTimestamp", "metric", "champion", "candidate",
    "previous", "type", "status", "verdict", "stage", "outcome", "version", "onDeadline",
    "promotion", "feature", "action", "token",
}  # fmt: skip


def texts(page: str) -> str:
    return " ".join(" ".join(elements(page).texts).split())


def model_page(
    seen: object_details.SeenModel, versions: tuple[object_details.SeenVersion, ...]
) -> str:
    plain = [one.version for one in versions]
    sight = model.Sight(
        seen=seen, versions=versions, offers=actions.offers(seen.model, plain), notice="",
        cut=False,
    )  # fmt: skip
    return model.render(sight, VISITOR, NOW)


def version_page(
    seen: object_details.SeenModel, versions: tuple[object_details.SeenVersion, ...]
) -> str:
    return version.render(seen, versions[-1], VISITOR, NOW, may_roll_back=True)


def list_page(seen: object_details.SeenModel, _versions: object) -> str:
    return listing.render([seen], Filter(), VISITOR, NOW)


def diff_page(
    seen: object_details.SeenModel, versions: tuple[object_details.SeenVersion, ...]
) -> str:
    first, second = versions[-2].version, versions[-1].version
    found = diff.of_versions(first, second)
    return version.differences(seen.model, (first.name, second.name), found, VISITOR)


def confirmation(
    seen: object_details.SeenModel, versions: tuple[object_details.SeenVersion, ...]
) -> str:
    action = BY_VERB["abort"]
    made = actions.make("abort", None)(seen.model, [one.version for one in versions], "t")
    return forms.confirm(
        seen.model, action, made.summary, actions.confirmed(seen.model, made), "", VISITOR,
        changed=False,
    )  # fmt: skip


def report_page(
    seen: object_details.SeenModel, versions: tuple[object_details.SeenVersion, ...]
) -> str:
    return report_frame.framed(seen.model, versions[-1], VISITOR)


def no_report_page(
    seen: object_details.SeenModel, versions: tuple[object_details.SeenVersion, ...]
) -> str:
    one = versions[-1]
    return report_frame.missing(seen.model, one, one.artifact_digest, one.artifact_path, VISITOR)


PAGES: dict[str, Callable[..., str]] = {
    "list": list_page, "model": model_page, "version": version_page, "diff": diff_page,
    "confirm": confirmation, "report": report_page, "no report": no_report_page,
}  # fmt: skip


def replaced(node: Any, words: str, key: str = "") -> Any:
    """Return an object with every free text replaced."""
    if isinstance(node, dict):
        return {name: replaced(value, words, name) for name, value in node.items()}
    if isinstance(node, list):
        return [replaced(one, words, key) for one in node]
    free = isinstance(node, str) and key not in CHECKED and not key.endswith(("At", "Since"))
    times = ("time", "at", "since", "until", "lastTransitionTime")
    return words if free and key not in times else node


@pytest.mark.parametrize("name", sorted(PAGES))
@given(words=HOSTILE)
def test_no_text_of_the_cluster_adds_an_element(name: str, words: str) -> None:
    def shape(text: str) -> list[tuple[str, tuple[str, ...]]]:
        body = replaced(samples.MODEL, text)
        bodies = [replaced(one, text) for one in samples.versions()]
        # Keys of free choice too.
        bodies[-1]["spec"]["training"]["hyperparameters"] = {text: 1.5, "x": text}
        bodies[-1]["status"]["metrics"][text + "."] = 0.5
        bodies[-1]["spec"]["recalibration"] = {
            "of": text, "slope": 1.0, "shift": 0.0, "ratio": 1.0, "ratioAfter": 1.0,
        }  # fmt: skip
        bodies[-1]["status"]["experiment"] = replaced(EXPERIMENT, text)
        versions = tuple(object_details.read_version(one) for one in bodies)
        return elements(PAGES[name](object_details.read_model(body), versions)).found

    # Empty texts leave elements out, so the words never are.
    assert shape(f"a{words}") == shape("a")


def test_the_page_of_a_model_shows_weights_numbers_drift_lineage_and_history() -> None:
    page = model_page(samples.seen(), samples.seen_versions())
    said = texts(page)
    for words in (
        f"champion {CHAMPION}: 50 %",
        "Step at 50 %",
        "successRate 0.9969 0.9871 to 1 0.9991 at least 0.995",
        "outside the limit, but maybe by chance",
        "1,204 sessions; largest effect 0.142 (hour)",
        "sha256:25f0e9d3c4b7",
        "80,000",
        "retrain: Honored: a retraining of movies starts",
        "StepsPassed: all steps passed",
        "step 2 of 3",
    ):
        assert words in said, words
    assert 'aria-label="Drift by feature. hour: 0.1421, counts from 0.1;' in page


def test_the_page_of_a_model_says_what_it_gains_over_its_holdout() -> None:
    seen = samples.seen(holdout={"message": "4000 other users compared"})
    assert "Holdout 4000 other users" in texts(model_page(seen, samples.seen_versions()))


def test_the_split_shows_a_fresh_champion_as_a_part_of_the_champions_requests() -> None:
    seen = samples.seen(
        championWeight=80, candidateWeight=20, freshChampion=f"{CHAMPION}-f",
        freshChampionWeight=20,
    )  # fmt: skip
    said = texts(model_page(seen, samples.seen_versions()))
    shares = f"champion {CHAMPION}: 60 % fresh champion {CHAMPION}-f: 20 % candidate"
    assert shares in said


def test_the_page_of_a_recalibrated_version_says_whose_network_it_has() -> None:
    bodies = samples.versions()
    bodies[-1]["spec"]["recalibration"] = {
        "of": "movies-89abcdef", "slope": 0.96, "shift": -0.5, "ratio": 0.65, "ratioAfter": 1.01,
    }  # fmt: skip
    versions = tuple(object_details.read_version(one) for one in bodies)
    said = texts(PAGES["version"](samples.seen(), versions))
    assert "that of movies-89abcdef; nothing was trained" in said
    assert "log-odds × 0.960 -0.500" in said
    assert "0.65, then 1.01" in said


def test_only_actions_that_make_sense_are_links_and_the_others_say_why() -> None:
    page = model_page(samples.seen(), samples.seen_versions())
    assert set(re.findall(r"/actions/(\w+)", page)) == {"promote", "abort", "pause"}
    assert "Resume : the model is not paused" in texts(page)


def test_who_may_not_patch_sees_no_action() -> None:
    sight = model.Sight(
        seen=samples.seen(), versions=samples.seen_versions(), offers=None, notice="", cut=False
    )
    page = model.render(sight, VISITOR, NOW)
    assert "/actions/" not in page
    assert "You have read-only access." in texts(page)


def test_a_model_without_a_status_has_a_page() -> None:
    body = copy.deepcopy(samples.MODEL)
    del body["status"]
    said = texts(model_page(object_details.read_model(body), ()))
    assert "none: no version serves yet" in said


def test_a_rolled_back_version_shows_its_numbers_and_what_to_do() -> None:
    ended = {"outcome": "RolledBack", "reason": "AnalysisFailed", "message": "successRate 0.91",
             "at": "2026-11-27T11:59:00Z"}  # fmt: skip
    versions = samples.seen_versions(stage="RolledBack", decision=ended, weight=0)
    last = {"version": CANDIDATE, "outcome": "RolledBack", "reason": "AnalysisFailed",
            "summary": "RolledBack: AnalysisFailed"}  # fmt: skip
    seen = samples.seen(stage="Locked", candidate=None, locked=True, lastOutcome=last)
    said = texts(model_page(seen, versions))
    assert "AnalysisFailed: successRate 0.91" in said
    assert "kubectl recommender unlock movies" in said


def test_the_page_of_a_version_shows_each_step_and_the_way_back() -> None:
    page = version_page(samples.seen(), samples.seen_versions())
    assert f"/actions/rollback?to={CANDIDATE}" in page
    assert [texts(h) for h in re.findall(r"<h3>Step.*?</h3>", page)] == [
        "Step at 50 % Inconclusive for 2 min", "Step at 10 % Pass lasted 6 min",
    ]  # fmt: skip
    assert page.count('class="course"') == 3
    assert "auc 0.7123 0.7021 to 0.723" in texts(page)


def test_an_experiment_shows_its_intervals_users_and_what_follows() -> None:
    versions = samples.seen_versions(experiment=EXPERIMENT)
    for page in (model_page(samples.seen(), versions), version_page(samples.seen(), versions)):
        section = page[page.index('<section id="experiment"') :]
        said = texts(section[: section.index("</section>")])
        assert "18400 of 52000 planned" in said
        assert "+7.04 % -1.1 % to +15.2 %" in said
        assert "from -20 %" in said
        assert "device=phone ClickThroughRate 0.04 0.03 -25 % -40 % to -10 %" in said
        assert "Segments the effect on ClickThroughRate differs by device" in said
        assert "Novelty ClickThroughRate: +9.0% on users' first day in this phase" in said
        assert "Next:" in said
    assert 'id="experiment"' not in model_page(samples.seen(), samples.seen_versions())


def test_a_version_that_has_just_begun_has_a_page() -> None:
    body = samples.versions()[-1]
    body["status"] = {}
    page = version.render(
        samples.seen(), object_details.read_version(body), VISITOR, NOW, may_roll_back=False
    )
    assert texts(page).count("not reached") == 3


def test_the_difference_of_two_versions_has_both_values_and_the_change() -> None:
    said = texts(diff_page(samples.seen(), samples.seen_versions()))
    assert "training.hyperparameters.epochs 10 20 +10" in said


def many(count: int) -> list[object_details.SeenModel]:
    found = []
    for number in range(count):
        body = copy.deepcopy(samples.MODEL)
        body["metadata"]["name"] = f"model-{number:04}"
        body["status"]["stage"] = "Locked" if number % 10 == 0 else "Serving"
        found.append(object_details.read_model(body))
    return found


def test_the_list_counts_all_models_and_shows_a_page_of_them() -> None:
    page = listing.render(many(250), Filter(page=3), VISITOR, NOW)
    assert page.count('<tr><th scope="row">') == 50
    said = texts(page)
    assert "25 Locked" in said
    assert "225 Serving" in said
    assert "250 models, page 3 of 3" in said
    assert 'href="/?page=2"' in page


def test_the_list_is_filtered_by_name_and_stage_and_says_how_many_fit() -> None:
    page = listing.render(many(250), Filter(name="model-00", stage="Locked"), VISITOR, NOW)
    assert "10 models" in texts(page)
    assert 'value="Locked" selected=""' in page
    nothing = listing.render(many(3), Filter(name="x"), VISITOR, NOW)
    assert "No model fits the filter." in texts(nothing)


@pytest.mark.parametrize("kind", ["Drifted", "RetrainProposed"])
def test_what_needs_a_person_stands_out_in_the_list(kind: str) -> None:
    condition = {"type": kind, "status": "True", "reason": "Shifted"}
    page = listing.render([samples.seen(conditions=[condition])], Filter(), VISITOR, NOW)
    assert f'<span class="badge bad">{kind}</span>' in page


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_page_has_one_heading_named_fields_and_no_style_or_script_of_its_own(
    name: str,
) -> None:
    page = PAGES[name](samples.seen(), samples.seen_versions())
    found = elements(page).found
    assert [element for element, _ in found].count("h1") == 1
    assert not [attributes for _, attributes in found if "style" in attributes]
    assert not [a for _, attributes in found for a in attributes if a.startswith("on")]
    assert re.findall(r"<script(?! src=\"/static/)|<style", page) == []
    assert re.findall(r'(?:href|src|action)="(?!/|#)', page) == []
    for field in re.findall(r"<(?:input|select)[^>]*>", page):
        if 'type="hidden"' not in field:
            assert re.search(r'id="([\w-]+)"', field), field


def test_ids_are_unique_on_a_page() -> None:
    for make in PAGES.values():
        found = re.findall(r'\bid="([^"]+)"', make(samples.seen(), samples.seen_versions()))
        assert len(found) == len(set(found)), found


def test_a_time_is_said_relatively_and_kept_exactly() -> None:
    page = list_page(samples.seen(), ())
    assert re.search(r'<time datetime="2026-11-20T[\d:]+\+00:00" title="2026-11-20', page)


def test_the_way_back_names_only_versions_and_paths_of_this_site() -> None:
    page = version_page(samples.seen(), samples.seen_versions())
    links = re.findall(r'href="(/models/[^"?]*)', page)
    assert links
    assert all(NAMES.fullmatch(part) for link in links for part in link.split("/")[2:])
    assert OLD not in links

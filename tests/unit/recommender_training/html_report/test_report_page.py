"""The page of an artifact is self-contained and complete, with the verdict first."""

from __future__ import annotations

import copy
import json
import re
import shutil
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.artifact import manifest
from recommender_training.cli import main
from recommender_training.common.durable_files import canonical_json
from recommender_training.common.errors import InputError
from recommender_training.config.training import parse_config
from recommender_training.html_report import page_file, search_section, words
from recommender_training.html_report.markup import join
from recommender_training.html_report.render import render
from recommender_training.pipeline import training


@pytest.fixture(scope="session")
def report(trained: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((trained.staged / "report.json").read_text())
    return found


@pytest.fixture(scope="session")
def facts(trained: Any) -> dict[str, Any]:
    return manifest.verify_artifact(trained.staged)


class Elements(HTMLParser):
    """Names, attributes and texts of a page, and whether every element ends."""

    def __init__(self, page: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def test_the_artifact_holds_the_page_and_the_manifest_vouches_for_it(
    trained: Any, facts: dict[str, Any]
) -> None:
    page = (trained.staged / "report.html").read_bytes()
    assert page.startswith(b"<!doctype html>")
    assert "report.html" in [entry["path"] for entry in facts["files"]]
    assert len(page) < 150_000


def test_the_page_needs_nothing_from_outside_and_runs_nothing(trained: Any) -> None:
    page = (trained.staged / "report.html").read_bytes()
    seen = Elements(page)
    assert seen.open == []
    forbidden = {"script", "link", "img", "iframe", "object", "embed", "base", "form", "a", "use"}
    assert not forbidden & set(seen.names)
    names = {name for name, _ in seen.attributes}
    assert not {"src", "href", "srcset", "style", "xlink:href"} & names
    assert not [name for name in names if name.startswith("on")]
    style = re.findall(r"<style>(.*?)</style>", page.decode(), re.DOTALL)
    assert len(style) == 1
    assert not re.search(r"url\(|@import|https?:", style[0])
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in seen.attributes
    assert ("name", "viewport") in seen.attributes


def test_the_verdict_comes_before_any_number_and_each_part_is_there(trained: Any) -> None:
    page = (trained.staged / "report.html").read_text()
    order = [page.index(mark) for mark in ('class="verdict', 'class="tiles', "<h2>Metrics")]
    assert order == sorted(order)
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == ["Metrics", "Simple recommenders", "Training and calibration",
                      "User segments", "Items: popularity and exposure", "How it was measured",
                      "Lineage"]  # fmt: skip
    assert '<th scope="col">Popularity by segment</th>' in page
    figures = re.findall(r"<figcaption><b>(.*?)</b>", page)
    assert figures == ["Gain over the regression", "Gain over popularity", "Learning curve",
                       "Reliability", "AUC by user segment", "Popularity",
                       "Exposure by category"]  # fmt: skip


def test_every_drawing_is_sound_svg_inside_its_frame_with_words_for_who_cannot_see_it(
    trained: Any,
) -> None:
    page = (trained.staged / "report.html").read_text()
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) == 7
    for source in drawings:
        drawing = ET.fromstring(source)
        _, _, width, height = map(float, drawing.attrib["viewBox"].split())
        assert drawing.attrib["role"] == "img"
        assert drawing.findtext("title") == drawing.attrib["aria-label"]
        for element in drawing.iter():
            for name, limit in (("x", width), ("cx", width), ("x1", width), ("x2", width),
                                ("y", height + 4), ("cy", height), ("y1", height),
                                ("y2", height)):  # fmt: skip
                if name in element.attrib:
                    assert 0 <= float(element.attrib[name]) <= limit, element.attrib


def test_the_lineage_names_data_code_seed_and_the_digests_of_the_models(
    trained: Any, facts: dict[str, Any]
) -> None:
    text = Elements((trained.staged / "report.html").read_bytes()).text
    for wanted in (facts["dataVersion"], facts["codeVersion"], str(facts["seed"])):
        assert wanted in text
    for entry in facts["files"]:
        if entry["path"] != "report.html":
            assert entry["path"] in text
            assert entry["sha256"][:16] in text


def test_made_anew_from_the_artifact_it_is_the_same_page_with_the_digest_added(
    trained: Any, report: dict[str, Any], facts: dict[str, Any]
) -> None:
    others = [entry for entry in facts["files"] if entry["path"] != "report.html"]
    page = (trained.staged / "report.html").read_bytes()
    assert render(report, {**facts, "files": others}) == page
    anew = render(report, {**facts, "files": others}, trained.digest)
    added = f"<dt>Artifact</dt><dd><code>{trained.digest}</code></dd>".encode()
    assert anew.replace(added, b"") == page


def test_the_command_prints_the_path_and_writes_elsewhere_when_asked(
    trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    artifact = shutil.copytree(trained.staged, work / "artifacts" / "local" / "0123")
    assert main.main(["report", str(work)]) == 0
    assert capsys.readouterr().out == f"{artifact / 'report.html'}\n"
    output = tmp_path / "page.html"
    assert main.main(["report", str(artifact), "--output", str(output)]) == 0
    assert trained.digest in output.read_text()
    assert capsys.readouterr().out == f"{output}\n"
    manifest.verify_artifact(artifact, trained.digest)


def test_what_cannot_be_shown_is_refused_with_the_remedy(trained: Any, tmp_path: Path) -> None:
    artifact = Path(shutil.copytree(trained.staged, tmp_path / "artifacts" / "local" / "0123"))

    def reason(folder: Path, output: Path | None = None) -> str:
        with pytest.raises(InputError) as caught:
            page_file.provide(folder, output)
        return caught.value.reason

    assert reason(tmp_path / "nowhere") == "NoArtifact"
    assert reason(artifact, artifact / "new.html") == "OutputInArtifact"
    assert not (artifact / "new.html").exists()
    shutil.copytree(artifact, tmp_path / "artifacts" / "other" / "4567")
    assert reason(tmp_path) == "NoArtifact"
    (artifact / "report.html").write_text("changed")
    assert reason(artifact) == "ArtifactInvalid"
    older = json.loads((artifact / "manifest.json").read_text())
    older["files"] = [each for each in older["files"] if each["path"] != "report.html"]
    (artifact / "report.html").unlink()
    (artifact / "manifest.json").write_bytes(canonical_json(older))
    assert reason(artifact) == "NoPage"
    assert page_file.provide(artifact, tmp_path / "page.html").is_file()


def test_a_report_of_another_schema_is_refused(trained: Any, tmp_path: Path) -> None:
    artifact = Path(shutil.copytree(trained.staged, tmp_path / "artifact"))
    strange = json.loads((artifact / "report.json").read_text()) | {"schema": "other/v9"}
    (artifact / "report.json").write_bytes(canonical_json(strange))
    facts = json.loads((artifact / "manifest.json").read_text())
    lineage = {key: value for key, value in facts.items() if key not in ("schema", "files")}
    manifest.write_manifest(artifact, lineage)
    with pytest.raises(InputError) as caught:
        page_file.provide(artifact, tmp_path / "page.html")
    assert caught.value.reason == "UnknownReport"


@given(text=st.text(min_size=1) | st.just("<script>alert('x')</script>"))
def test_names_in_the_data_never_become_markup(
    report: dict[str, Any], facts: dict[str, Any], text: str
) -> None:
    plain = Elements(render(report, facts)).names
    hostile = copy.deepcopy(report)
    hostile["dataVersion"] = hostile["worstSegment"] = f"x{text}"
    for model in ("recommender", "baseline"):
        hostile["models"][model]["itemGroups"][0]["name"] = f"genre:{text}"
    for shown in hostile["fairness"]["exposure"].values():
        shown[0]["name"] = f"genre:{text}"
    lineage = copy.deepcopy(facts) | {"codeVersion": f"x{text}"}
    lineage["files"][0]["path"] = text
    lineage["hyperparameters"] = {text: text}
    assert Elements(render(hostile, lineage)).names == plain


def test_a_report_of_the_first_release_is_still_shown(
    report: dict[str, Any], facts: dict[str, Any]
) -> None:
    """Made before there were intervals and fairness: the parts that are absent are left out."""
    old = copy.deepcopy(report)
    for key in ("uncertainty", "intervals", "minus", "fairness", "popularity",
                "baselineReliability"):  # fmt: skip
        del old[key]
    for model in old["models"].values():
        for key in [key for key in model if key.startswith(("coverage", "novelty", "recall"))]:
            del model[key]
    old["metrics"] = {k: v for k, v in old["metrics"].items() if not k.endswith(("Low", "High"))}
    seen = Elements(render(old, facts))
    assert seen.open == []
    assert "Too few users" in seen.text
    assert "Reliability" in seen.text


def test_a_window_without_requests_is_shown_without_lists(
    report: dict[str, Any], facts: dict[str, Any]
) -> None:
    empty = copy.deepcopy(report)
    empty["fairness"]["exposure"] = {name: [] for name in empty["models"]}
    for entry in empty["fairness"]["segments"]:
        entry["counted"] = False
    empty["fairness"]["dimensions"] = [
        {"name": "age", "segments": 0, "auc": None, "logLoss": None, "calibrationGap": None}
    ]
    for each in (*empty["intervals"].values(), *empty["minus"].values()):
        for section in each.values():
            section["low"] = section["high"] = None
    empty["learning"] = {"bestEpoch": 0, "looks": []}
    assert Elements(render(empty, facts)).open == []


def test_the_baseline_has_a_page_without_a_learning_curve(trained: Any, tmp_path: Path) -> None:
    config = parse_config('{"algorithm": "LogisticRegression", "seed": 3}')
    result = training.train(
        training.TrainingRun(trained.lake, trained.data_version, config, tmp_path / "staged")
    )
    page = (result.staged / "report.html").read_text()
    assert "The baseline model itself" in page
    for absent in ("Learning curve", "Gain over the regression", "Model minus regression"):
        assert absent not in page
    assert "Gain over popularity" in page


def test_a_search_has_a_summary_a_figure_and_a_table(searched: Any) -> None:
    page = (searched.staged / "report.html").read_text()
    found = searched.found
    assert "<h2>Training and calibration</h2>" in page
    assert page.index("<h2>Search</h2>") > page.index("<h2>Training and calibration</h2>")
    seen = Elements(page.encode())
    assert seen.open == []
    best = words.number(found["bestLogLoss"])
    assert f"Trial {found['best']} is the best, with a mean log loss of {best}" in seen.text
    assert "TPE tried 3 configurations, each on 2 folds before the test window." in seen.text
    assert "With 2 seeds" in seen.text
    (drawing,) = re.findall(
        r"<svg[^>]*Validation log loss of each trial.*?</svg>", page, re.DOTALL
    )
    assert drawing.count("<circle") == 3 + 1 + 3, "each trial, the chosen one, the legend"
    for name in found["space"]:
        assert name in seen.texts
    chosen = found["trials"][found["best"]]
    assert ", ".join(words.number(loss) for loss in chosen["foldLogLosses"]) in seen.texts


def trial(number: int, loss: float | None, state: str = "Complete") -> dict[str, Any]:
    return {"number": number, "state": state, "logLoss": loss, "foldLogLosses": [], "looks": 1,
            "hyperparameters": {"dropout": 0.1}}  # fmt: skip


def outcome(trials: list[dict[str, Any]]) -> dict[str, Any]:
    done = [(t["logLoss"], t["number"]) for t in trials if t["state"] == "Complete"]
    least, best = min(done)
    states = [t["state"].lower() for t in trials]
    one = {"mean": 0.5, "standardDeviation": None, "lowest": 0.5, "highest": 0.5}
    return {
        "sampler": "Random", "space": {"dropout": {}}, "folds": [{}], "trials": trials,
        "counts": {s: states.count(s) for s in ("complete", "pruned", "diverged", "failed")},
        "best": best, "bestLogLoss": least, "givenLogLoss": None,
        "hyperparameters": {"dropout": 0.1}, "seeds": [{"seed": 1, "logLoss": 0.5, "auc": 0.7}],
        "spread": {"logLoss": one, "auc": one},
    }  # fmt: skip


@given(
    losses=st.lists(
        st.tuples(
            st.floats(0.1, 100, allow_nan=False),
            st.sampled_from(["Complete", "Pruned", "Diverged", "Failed"]),
        ),
        max_size=60,
    ),
    first=st.floats(0.1, 2),
)
def test_any_search_is_drawn_inside_its_frame_and_the_line_only_falls(
    losses: list[tuple[float, str]], first: float
) -> None:
    trials = [trial(0, first)] + [
        trial(number, loss if state in ("Complete", "Pruned") else None, state)
        for number, (loss, state) in enumerate(losses, start=1)
    ]
    drawn = search_section.history(outcome(trials))
    if drawn is None:
        assert sum(t["logLoss"] is not None for t in trials) < 2
        return
    source = ET.fromstring(drawn.source).find("svg")
    assert source is not None
    _, _, width, height = map(float, source.attrib["viewBox"].split())
    for circle in source.iter("circle"):
        assert 0 <= float(circle.attrib["cx"]) <= width
        assert 0 <= float(circle.attrib["cy"]) <= height
    hollow = [c for c in source.iter("circle") if c.attrib["class"] == "hollow"]
    assert len(hollow) == 1 + sum(t["state"] == "Pruned" for t in trials)
    heights = {float(c.attrib["cy"]) for c in hollow[:-1]}
    assert heights <= {34.0}, "a loss of fewer folds is not compared"
    (stairs,) = source.iter("polyline")
    points = [tuple(map(float, p.split(","))) for p in stairs.attrib["points"].split()]
    assert points == sorted(points, key=lambda point: point[0])
    assert [y for _, y in points] == sorted(y for _, y in points), "down is a larger y"


def test_the_summary_counts_pruned_diverged_and_failed_trials() -> None:
    trials = [trial(0, 0.5), trial(1, 0.9, "Pruned"), trial(2, None, "Diverged"),
              trial(3, None, "Failed"), trial(4, 0.49)]  # fmt: skip
    page = join(*search_section.render_search(outcome(trials))).source
    assert "(1 pruned, 1 diverged, 1 failed with their process)" in page
    assert "Trial 4 is the best, with a mean log loss of 0.4900" in page
    assert "fitted with one seed, 1" in page
    assert page.index("<td>4</td>") < page.index("<td>0</td>"), "the best first"
    assert "<td>1</td>" not in page, "the table has completed trials only"

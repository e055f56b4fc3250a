"""Further versions of an experiment on the page of a model."""

from __future__ import annotations

from tests.unit.recommender_console import samples
from tests.unit.recommender_console.test_pages import model_page, texts
from tests.unit.recommender_kubectl.samples import EXPERIMENT

OLD, OLDER = "movies-0a1b2c3d", "movies-4e5f6a7b"


def test_further_versions_of_an_experiment_have_their_result_and_their_metrics() -> None:
    arms = [
        {"version": OLD, "result": "Passed", "metrics": EXPERIMENT["metrics"]},
        {"version": OLDER, "withdrawn": "it <failed>"},
    ]
    seen = samples.seen_versions(experiment=EXPERIMENT | {"arms": arms})
    page = model_page(samples.seen(), seen)
    said = texts(page[page.index('<section id="experiment"') :])
    assert f"{OLD} Passed ClickThroughRate Primary 0.0412 0.0441 +7.04 %" in said
    assert f"{OLDER}: Withdrawn, it <failed>" in said
    assert "<failed>" not in page

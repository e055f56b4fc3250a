"""A variant of the graph serves only if it is good enough, and is then what was judged."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from recommender_contract.resource.export import ExportSpec, Variant
from recommender_training.artifact import triton
from recommender_training.artifact.vocabulary import vocabulary
from recommender_training.cli import main
from recommender_training.evaluation import predictions, ranking_metrics
from recommender_training.export import build, parity, torchscript
from recommender_training.export.comparison_requests import comparison_request
from recommender_training.export.compressed_ranker import compress, left_of
from recommender_training.export.ranker import RankerServing
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.features.item_content import item_tags
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.html_report import variants_section as page
from recommender_training.models import item_weights
from recommender_training.pipeline import variants
from recommender_training.pipeline.variants import Candidate
from tests import training_fixtures as fixtures

SETTINGS = ExportSpec(variants=(Variant.INT8, Variant.PRUNED), keep=0.3)


@pytest.fixture(scope="module")
def known(prepared: PreparedData) -> build.ExportInputs:
    everything = np.ones(len(prepared.data.events), dtype=np.bool_)
    return build.ExportInputs(
        prepared.data,
        prepared.constants,
        CatalogueState.at(prepared.data, None, prepared.constants.groups),
        item_weights.fit(prepared.data, everything),
        prepared.history_length,
    )


@pytest.fixture(scope="module")
def full(bundle: Bundle, known: build.ExportInputs) -> RankerServing:
    assert bundle.deep is not None
    return build.ranker_module(bundle.deep, known, bundle.deep_calibration)


@pytest.mark.parametrize("variant", list(Variant))
def test_a_variant_answers_as_the_full_graph_with_the_tables_that_it_leaves(
    full: RankerServing, known: build.ExportInputs, variant: Variant
) -> None:
    state = dict(full.named_buffers())
    state["retrieval"] = left_of(state["retrieval"], variant, SETTINGS)
    if variant is Variant.INT8:
        state["user_vectors"] = left_of(state["user_vectors"], variant, SETTINGS)
    groups, tags = known.constants.groups, item_tags(known.data.items)
    plain = RankerServing(state, full.history_length, tags, 0, groups).eval()
    small = compress(full, variant, SETTINGS)
    random = np.random.default_rng(1)
    inputs = comparison_request(random, known.data, (16, 20, 10))
    with torch.inference_mode():
        for one, other in zip(small(*inputs), plain(*inputs), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
        assert not torch.equal(small(*inputs)[0], full(*inputs)[0]), "nothing was compressed"


def test_the_full_graph_is_judged_as_its_model_was(
    full: RankerServing, bundle: Bundle, prepared: PreparedData
) -> None:
    judged = predictions.window(prepared, prepared.split.validation)
    model = torchscript.loaded(torchscript.archive(full))
    words = vocabulary(prepared.data, prepared.history_length)
    told = variants.answer(model, words, None, SETTINGS, judged)
    own = predictions.answer(bundle, prepared, judged)["recommender"]
    assert own.probability is not None
    assert told.probability is not None
    np.testing.assert_allclose(told.probability, own.probability, rtol=0, atol=1e-5)
    assert (told.top == own.top).mean() > 0.99, "ties may fall the other way"


def candidate(
    name: str, size: float, time: float, low: float | None = -0.0005, ndcg: float | None = -0.001
) -> Candidate:
    times = {"p50Milliseconds": time, "p99Milliseconds": 2 * time}
    ends = {"auc": low, "ndcgAt10": ndcg}
    minus = {key: {"value": -0.0001, "low": end, "high": 0.0} for key, end in ends.items()}
    return Candidate(name, size, times, {}, None if name == variants.FULL else minus)


FULL = candidate(variants.FULL, 10.0, 2.0)


@pytest.mark.parametrize(
    ("one", "accepted", "said"),
    [
        (candidate("Int8", 4.0, 2.0), True, "60.0% smaller, not slower by 10%"),
        (candidate("Int8", 10.0, 1.7), True, "0.0% smaller, faster by 10% or more"),
        (candidate("Int8", 4.0, 2.1), True, "60.0% smaller, not slower by 10%"),
        (candidate("Int8", 9.5, 1.9), False, "5.0% smaller, not faster by 10% (wanted"),
        (candidate("Int8", 4.0, 2.3), False, "60.0% smaller, slower by 10% or more"),
        (candidate("Int8", 12.0, 1.0), False, "20.0% larger (wanted"),
        (candidate("Int8", 4.0, 1.0, low=-0.0021), False, "at worst -0.0021 (limit -0.0020)"),
        (candidate("Int8", 4.0, 1.0, low=-0.002), True, "at worst -0.0020"),
        (candidate("Int8", 4.0, 1.0, low=None), False, "auc has no interval"),
        (candidate("Int8", 4.0, 1.0, ndcg=-0.0051), False, "at worst -0.0051 (limit -0.0050)"),
        (candidate("Int8", 4.0, 1.0, ndcg=-0.005), True, "NDCG@10 -0.0001, at worst -0.0050"),
        (candidate("Int8", 4.0, 1.0, ndcg=None), False, "ndcgAt10 has no interval"),
    ],
)
def test_a_variant_passes_by_the_worse_end_of_its_loss_and_by_what_it_saves(
    one: Candidate, accepted: bool, said: str
) -> None:
    passed, reason = variants.verdict(one, FULL, SETTINGS)
    assert passed is accepted
    assert said in reason


def test_the_smallest_variant_that_passes_serves_and_otherwise_the_full_graph() -> None:
    int8, pruned = candidate("Int8", 4.0, 2.0), candidate("Pruned", 3.0, 2.0)
    lossy = candidate("Pruned", 1.0, 1.0, low=-0.01)
    rows = {"rows": 5}
    assert variants.choose_variant([FULL, int8, pruned], SETTINGS, rows).variant is Variant.PRUNED
    assert variants.choose_variant([FULL, int8, lossy], SETTINGS, rows).variant is Variant.INT8
    none = variants.choose_variant([FULL, lossy], SETTINGS, rows)
    assert none.variant is None
    assert none.section["served"] == "Full"
    shown = " ".join(part.source for part in page.render_variants(none.section))
    assert "Full, serves" in shown
    assert "fails: AUC" in shown


def test_other_times_change_no_byte_of_an_artifact_where_the_decision_is_the_same(
    varied: Any, trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compare(models: Iterable[str], _words: object) -> dict[str, dict[str, float]]:
        times = {"Full": 3.0, "Int8": 3.1, "Pruned": 2.9}
        return {name: {"p50Milliseconds": times[name], "p99Milliseconds": 9.0} for name in models}

    monkeypatch.setattr(variants, "latency", SimpleNamespace(compare_latency=compare))
    report = tmp_path / "report.json"
    train = ["train", "--lake", str(trained.lake), "--data-version", trained.data_version,
             "--config", fixtures.VARIED, "--output", str(tmp_path / "v-1"),
             "--report", str(report)]  # fmt: skip
    assert main.main(train) == 0
    told = json.loads(report.read_text())
    assert told["digest"] == varied.digest
    assert "median request: Full 3.0 ms, Int8 3.1 ms, Pruned 2.9 ms" in told["message"]
    assert varied.variant_times["Int8"]["p50Milliseconds"] == 1.0


def test_what_serves_is_the_variant_that_was_chosen_and_the_lineage_names_it(varied: Any) -> None:
    section, report = varied.report["variants"], varied.report
    assert section["served"] == "Int8"
    by_name = {each["name"]: each for each in section["candidates"]}
    assert list(by_name) == ["Full", "Int8", "Pruned"]
    assert not by_name["Pruned"]["accepted"], "it keeps everything, so it is larger"
    served = torchscript.load(triton.model_path(varied.staged))
    assert served.retrieval.dtype == torch.int8
    assert json.loads((varied.staged / "manifest.json").read_text())["variant"] == "Int8"
    assert "Int8, serves" in (varied.staged / "report.html").read_text()
    assert report["metrics"]["modelMegabytes"] < by_name["Full"]["megabytes"]
    assert abs(report["minus"]["full"]["auc"]["value"]) < 0.05
    served_auc = report["models"]["recommender"]["auc"]
    assert report["metrics"]["auc"] == pytest.approx(served_auc, abs=1e-6)


def test_without_variants_the_full_graph_serves_and_nothing_is_told(trained: Any) -> None:
    assert "variants" not in trained.result.report
    assert "full" not in trained.result.report["models"]
    assert json.loads((trained.staged / "manifest.json").read_text())["variant"] == "Full"


def test_a_variant_that_serves_other_scores_than_were_judged_is_refused(
    full: RankerServing, bundle: Bundle, prepared: PreparedData, known: build.ExportInputs
) -> None:
    request = ranking_metrics.reveal_half(prepared.data, prepared.split.test, 20).requests[0]
    scorer = predictions.scorers(bundle, prepared)[1]
    small = compress(full, Variant.INT8, SETTINGS)
    lists = parity.Lists(left=partial(left_of, variant=Variant.INT8, settings=SETTINGS))
    assert parity.check_variant(small, scorer, known, [request], lists)["maxDifference"] < 0.01
    small.events = small.events + 50.0  # what only `forward` reads
    with pytest.raises(parity.ParityError, match="forward and judge of a variant differ"):
        parity.check_variant(small, scorer, known, [request], lists)

"""The champion is compared by its weights on the same rows, and its faults fail no training."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from recommender_contract.artifact import MANIFEST
from recommender_training.artifact import manifest, triton
from recommender_training.common.arrays import Doubles
from recommender_training.common.durable_files import canonical_json
from recommender_training.config.recalibration import parse_recalibration
from recommender_training.data.exploration_log import ExplorationLog
from recommender_training.evaluation import exploration_requests, predictions
from recommender_training.evaluation.predictions import Answers, Window
from recommender_training.export import torchscript
from recommender_training.export.request import retrieve
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.fitted.order_weights import ITEMS
from recommender_training.models import item_weights
from recommender_training.pipeline import recalibrate
from recommender_training.pipeline.champion import Champion, Comparison, _short
from recommender_training.trainer.fit_models import refit


@pytest.fixture(scope="module")
def judged(prepared: PreparedData) -> Window:
    return predictions.window(prepared, prepared.split.test)


@pytest.fixture(scope="module")
def refitted(trained: Any, bundle: Bundle, prepared: PreparedData) -> Bundle:
    return refit(bundle, prepared, trained.config, 1)


@pytest.fixture(scope="module")
def said(refitted: Bundle, prepared: PreparedData, judged: Window) -> dict[str, Answers]:
    return predictions.answer(refitted, prepared, judged)


Change = Callable[[Path], object]


@pytest.fixture
def altered(trained: Any, tmp_path: Path) -> Callable[[Change], tuple[Path, str]]:
    """The artifact with a change, published anew: folder and digest."""

    def alter(change: Change) -> tuple[Path, str]:
        folder = tmp_path / "champion"
        shutil.copytree(trained.staged, folder)
        (folder / MANIFEST).unlink()
        change(folder)
        return folder, manifest.write_manifest(folder, {})

    return alter


def use_baseline(folder: Path) -> None:
    shutil.copy(triton.model_path(folder, "baseline"), triton.model_path(folder))


def rewrite(folder: Path, name: str, **fields: Any) -> None:
    content = json.loads((folder / name).read_text())
    (folder / name).write_bytes(canonical_json(content | fields))


@pytest.mark.parametrize("name", ["recommender", "baseline"])
def test_it_answers_what_its_model_answered_in_its_own_evaluation(
    judged: Window,
    said: dict[str, Answers],
    altered: Callable[[Change], tuple[Path, str]],
    name: str,
) -> None:
    """The exported graph knows the test window's counts and retrieval: nothing of them is used."""
    folder, digest = altered(use_baseline if name == "baseline" else lambda _: None)
    told = Champion.load(folder, digest).answers(judged)
    own = said[name].probability
    assert told.probability is not None
    assert own is not None
    np.testing.assert_allclose(told.probability, own, rtol=0, atol=1e-5)
    assert (told.top == said[name].top).mean() > 0.99, "ties may fall the other way"


def test_what_was_recalibrated_is_compared_as_it_was_trained(
    judged: Window, trained: Any, tmp_path: Path
) -> None:
    made = {
        "of": "movies-1", "slope": 0.7, "shift": -0.4, "totalSlope": 0.7, "totalShift": -0.4,
        "since": "2026-11-01T00:00:00Z", "judgedSince": "2026-11-15T00:00:00Z",
        "through": "2026-11-22T00:00:00Z", "users": 1, "labels": 1, "ratio": 1, "ratioAfter": 1,
        "gain": 1, "gainLow": 1, "gainHigh": 1,
    }  # fmt: skip
    again = made | {"slope": 1.5, "shift": 0.2, "totalSlope": 1.05, "totalShift": -0.4}
    folder, digest = trained.staged, trained.digest
    plain = Champion.load(folder, digest).answers(judged)
    for number, fields in enumerate((made, again)):
        wanted = parse_recalibration(json.dumps(fields))
        done = recalibrate.recalibrate(folder, digest, wanted, tmp_path / str(number))
        folder, digest = tmp_path / str(number), done.digest
        found = Champion.load(folder, digest).answers(judged)
        assert found.probability is not None
        assert plain.probability is not None
        np.testing.assert_allclose(found.probability, plain.probability, rtol=0, atol=1e-5)
        assert (found.top == plain.top).mean() > 0.99, "ties may fall the other way"


def test_at_explored_places_it_puts_what_its_model_puts_there(
    judged: Window, refitted: Bundle, prepared: PreparedData, trained: Any
) -> None:
    rng, rows = np.random.default_rng(0), judged.rows[:200]
    items = np.argsort(rng.random((len(rows), judged.data.items.count)), axis=1)
    pool = np.where(np.arange(5) < rng.integers(2, 6, len(rows))[:, None], items[:, :5], -1)
    user, time = (getattr(judged.data.events, name)[rows] for name in ("user", "time"))
    explored = ExplorationLog(user, pool[:, 0], time, pool, (pool >= 0).sum(1))
    places = exploration_requests.explored_places(
        dataclasses.replace(judged.data, explored=explored), rows, prepared.history_length
    )
    assert places is not None
    assert not len(places.row), "the data declares no label of impressions"
    requests = exploration_requests.requests_of(judged.data, rows, prepared.history_length)
    task = dataclasses.replace(places.task, requests=requests)
    asked = dataclasses.replace(
        judged,
        places=dataclasses.replace(
            places, row=rows, pool=pool, chosen=np.zeros(len(rows), dtype=np.int64), task=task
        ),
    )
    own = predictions.answer(refitted, prepared, asked)["recommender"].pools
    told = Champion.load(trained.staged, trained.digest).answers(asked).pools
    assert own is not None
    assert told is not None
    inside = pool >= 0
    np.testing.assert_allclose(told.probability[inside], own.probability[inside], atol=1e-5)
    assert (told.first == own.first).mean() > 0.98, "ties may fall the other way"
    assert inside[np.arange(len(rows)), own.first].all()
    assert (own.first > 0).any()


def test_its_lists_are_of_what_was_known_before_the_window(
    judged: Window, trained: Any, refitted: Bundle, prepared: PreparedData
) -> None:
    """Lists of few items hardly tell a leak; their logits do."""
    frozen, plain = prepared.constants, judged.plain
    _, scorer = predictions.scorers(refitted, prepared)

    def logits(state: CatalogueState) -> Doubles:
        then = dataclasses.replace(judged.known, state=state)
        return then.scores(judged.task.requests, plain.items, scorer)

    told = Champion.load(trained.staged, trained.digest).graph.scores(judged, plain)
    before = judged.known.state
    np.testing.assert_allclose(told, logits(before), rtol=0, atol=1e-4)
    everything = CatalogueState.at(judged.data, None, frozen.groups)
    for leak in (
        dataclasses.replace(before, counts=everything.counts),
        dataclasses.replace(before, taste=everything.taste),
        dataclasses.replace(before, extras=everything.extras),
    ):
        assert np.abs(told - logits(leak)).max() > 1e-3, "the window makes a difference"


def test_what_it_was_fitted_on_and_does_not_know_is_counted(
    judged: Window, altered: Callable[[Change], tuple[Path, str]]
) -> None:
    times = judged.data.events.time[judged.rows]
    middle = int(np.sort(times)[len(times) // 2])
    moment = np.datetime64(middle, "s").astype(str) + "Z"
    folder, digest = altered(lambda f: rewrite(f, "report.json", windows={"testStart": moment}))
    comparison = Comparison(folder, digest)
    assert comparison(judged) is not None
    assert comparison.facts == {
        "digest": digest,
        "compared": True,
        "sawTestRows": int((times < middle).sum()),
        "unknownItemRows": 0,
    }
    assert 0 < comparison.facts["sawTestRows"] < len(times)


def test_of_the_data_that_made_it_it_saw_no_test_row(trained: Any, judged: Window) -> None:
    comparison = Comparison(trained.staged, trained.digest)
    comparison(judged)
    assert comparison.facts["sawTestRows"] == 0


def test_a_report_that_does_not_tell_its_window_leaves_open_what_it_saw(
    judged: Window, altered: Callable[[Change], tuple[Path, str]]
) -> None:
    comparison = Comparison(*altered(lambda f: rewrite(f, "report.json", windows={})))
    assert comparison(judged) is not None
    assert comparison.facts["sawTestRows"] is None


def test_items_and_users_that_it_does_not_know_are_cold_and_never_in_its_lists(
    trained: Any, judged: Window
) -> None:
    """The last items and users of the data have ids that came after it."""
    items, users = judged.data.items, judged.data.users
    late = np.arange(items.count) >= items.count - 5
    data = dataclasses.replace(
        judged.data,
        items=dataclasses.replace(items, ids=np.where(late, items.ids + 10**6, items.ids)),
        users=dataclasses.replace(users, ids=users.ids + 10**6),
    )
    present = dataclasses.replace(judged, known=dataclasses.replace(judged.known, data=data))
    champion = Champion.load(trained.staged, trained.digest)
    told, before = champion.answers(present), champion.answers(judged)
    assert not np.isin(told.top, np.flatnonzero(late)).any()
    assert champion.unknown_items(present) == late[judged.item].sum() > 0
    assert told.probability is not None
    assert before.probability is not None
    assert np.abs(told.probability - before.probability).max() > 1e-3, "they make a difference"
    rows = np.flatnonzero(late[judged.item])
    assert len(np.unique(told.probability[rows])) > 1, "the session still counts"


def test_lists_are_ordered_with_the_retrieval_and_popularity_that_serve(
    judged: Window,
) -> None:
    events = judged.data.events
    known = events.time < events.time[judged.rows[0]]
    weights = torch.from_numpy(item_weights.fit(judged.data, known) * ITEMS)
    popular = item_weights.popularity_prior(judged.counts)
    plain = judged.plain
    for request, order in zip(judged.task.requests, plain.order, strict=True):
        rows = torch.from_numpy(events.item[request.session])[None]
        values = torch.from_numpy(events.value[request.session])[None]
        served = retrieve(weights, rows, torch.ones_like(rows, dtype=torch.bool), values)[0]
        may = np.isfinite(order)
        np.testing.assert_allclose(order[may], (served.numpy() + popular)[may], atol=1e-3)


@given(text=st.text(st.sampled_from('a "\\\n\tü\x00\x7f'), max_size=20))
def test_a_reason_takes_no_more_bytes_than_characters_in_json(text: str) -> None:
    told = _short(text)
    assert len(json.dumps(told)) == len(told) + len('""')
    assert len(_short(text * 300)) <= 300


def test_a_reason_in_plain_words_is_told_as_it_is() -> None:
    assert _short("it has no graph: 7 of [8, 9]") == "it has no graph: 7 of [8, 9]"


class Silent(nn.Module):
    """A graph as an earlier release exported it."""

    def forward(self, user_id: Tensor) -> Tensor:
        return user_id


class NotFinite(nn.Module):
    """A graph that judges everything as NaN."""

    def __init__(self) -> None:
        super().__init__()
        self.history_length = 3

    def forward(self, user_id: Tensor) -> Tensor:
        return user_id

    @torch.jit.export
    def judge(
        self,
        user_id: Tensor,
        user_features: Tensor,
        session_items: Tensor,
        session_timestamps: Tensor,
        session_values: Tensor,
        timestamp: Tensor,
        item_ids: Tensor,
        events: Tensor,
        positives: Tensor,
        total: Tensor,
        taste: Tensor,
        item_count: int,
    ) -> Tensor:
        return torch.full_like(events, 1).to(torch.float32) * float("nan")


def put(module: nn.Module) -> Change:
    return lambda folder: torchscript.save(module.eval(), triton.model_path(folder))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (put(Silent()), "exported by an earlier release"),
        (put(NotFinite()), "not finite"),
        (lambda f: triton.model_path(f).write_bytes(b"no graph"), "Error"),
        (lambda f: (f / "report.json").write_text("{"), "JSONDecodeError"),
        (lambda f: (f / "vocabulary.json").write_text("[]"), "TypeError"),
    ],
)
def test_a_champion_that_cannot_be_asked_is_told_and_raises_nothing(
    judged: Window,
    altered: Callable[[Change], tuple[Path, str]],
    change: Change,
    reason: str,
) -> None:
    folder, digest = altered(change)
    comparison = Comparison(folder, digest)
    assert comparison(judged) is None
    assert comparison.facts.keys() == {"digest", "compared", "message"}
    assert comparison.facts["compared"] is False
    assert reason in comparison.facts["message"]


def test_nothing_is_loaded_before_every_byte_is_verified(
    judged: Window, trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(path: Path) -> None:
        raise AssertionError(f"loaded {path}")

    monkeypatch.setattr(torchscript, "load", loaded)
    for folder, digest in (
        (tmp_path / "nowhere", trained.digest),
        (trained.staged, "sha256:" + "0" * 64),
        (_changed(trained.staged, tmp_path / "changed"), trained.digest),
    ):
        comparison = Comparison(folder, digest)
        assert comparison(judged) is None
        assert "InputError" in comparison.facts["message"]


def _changed(artifact: Path, folder: Path) -> Path:
    shutil.copytree(artifact, folder)
    path = triton.model_path(folder)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    return folder

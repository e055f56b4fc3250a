"""What a version would gain at explored places, against a truth that the test knows."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

import jsonschema
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.common.arrays import Doubles
from recommender_training.config.declaration import Declaration
from recommender_training.config.training import parse_config
from recommender_training.data import schema
from recommender_training.data.dataset import Dataset
from recommender_training.data.explored import Explored
from recommender_training.evaluation import answers, exploration, explored_places
from recommender_training.evaluation.evaluate import evaluate
from recommender_training.evaluation.exploration import Decisions
from recommender_training.evaluation.explored_places import Places, Pools
from recommender_training.features.prepared import Prepared, prepare
from recommender_training.fitted.bundle import Bundle
from recommender_training.html_report import exploration as exploration_page
from recommender_training.html_report.markup import join
from recommender_training.trainer.fit_models import fit_models
from tests import small_data

SCHEMA_FILE = pathlib.Path(__file__).parents[4] / "docs" / "evaluation.schema.json"
CONFIG = parse_config('{"seed": 3, "algorithm": "LogisticRegression"}')
ITEMS, POOL = 12, 4
#: Rates of clicks of two kinds of items.
RATES = np.where(np.arange(ITEMS) % 2 == 1, 0.5, 0.1)


def assert_told(section: dict[str, Any], *texts: str) -> None:
    """The section holds to the published schema, and the page has these texts."""
    schema = json.loads(SCHEMA_FILE.read_text())
    own = {**schema["properties"]["offPolicy"], "$defs": schema["$defs"]}
    jsonschema.Draft202012Validator(own).validate(section)
    assert set(own["properties"]) == set(section)
    page = join(*exploration_page.parts(section)).source
    for text in texts:
        assert text in page


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A log of uniform draws, and the true rates of the items of each pool."""

    places: Places
    decisions: Decisions
    truth: Doubles  # [D, P]


def draw(seed: int, users: int = 400, rows: int = 6) -> Drawn:
    """Pools of two to five items; users differ in how easily they click."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), rows)
    size = rng.integers(2, 6, len(user))
    present = np.arange(5) < size[:, None]
    ease = rng.uniform(0.6, 1.4, users)[user]
    truth = np.where(present, rng.uniform(0, 0.6, present.shape), 0) * ease[:, None]
    chosen = (rng.random(len(user)) * size).astype(np.int64)
    reward = rng.random(len(user)) < truth[np.arange(len(user)), chosen]
    places = Places(np.arange(len(user)), np.where(present, 0, -1), chosen, None, known=len(user))  # type: ignore[arg-type]
    return Drawn(places, Decisions(user, present, chosen, reward), truth)


def ranks(drawn: Drawn, scores: Doubles, probability: Doubles | None = None) -> Pools:
    """A version with these scores, and perhaps other probabilities than its scores."""
    present = drawn.decisions.present
    first = np.where(present, scores, -np.inf).argmax(1)
    return Pools(first, np.clip(scores if probability is None else probability, 0, 1))


def told(drawn: Drawn, own: Pools, champion: Pools | None, *, wanted: bool = True) -> Any:
    return exploration.section(drawn.places, drawn.decisions, own, champion, wanted=wanted)


def truly(drawn: Drawn, own: Pools, champion: Pools | None) -> float:
    """The gain in the true rate of clicks."""
    rows, present = np.arange(len(drawn.truth)), drawn.decisions.present
    uniform = drawn.truth.sum(1) / present.sum(1)
    theirs = uniform if champion is None else drawn.truth[rows, champion.first]
    return float((drawn.truth[rows, own.first] - theirs).mean())


@given(st.integers(0, 2**31), st.booleans())
def test_who_ranks_by_the_true_rates_gains_and_who_reverses_them_loses(
    seed: int, against_champion: bool
) -> None:
    drawn = draw(seed)
    rng = np.random.default_rng(seed)
    champion = ranks(drawn, rng.random(drawn.truth.shape)) if against_champion else None
    good = told(drawn, ranks(drawn, drawn.truth), champion, wanted=against_champion)
    bad = told(drawn, ranks(drawn, 1 - drawn.truth), champion, wanted=against_champion)
    assert good["gain"]["low"] > 0 > bad["gain"]["high"]
    assert good["against"] == ("champion" if against_champion else "uniform")
    assert exploration.metrics(good)["offPolicyGainLow"] == good["gain"]["low"]


@pytest.mark.parametrize("wrong", [0.0, 0.4])
def test_intervals_cover_the_true_gain_as_often_as_they_say(wrong: float) -> None:
    """Also where the probabilities are far from the truth: the draws are known."""
    covered = []
    for seed in range(200):
        drawn, rng = draw(seed, users=200), np.random.default_rng(seed + 10_000)
        noisy = drawn.truth + rng.normal(0, 0.2, drawn.truth.shape)
        own = ranks(drawn, noisy, np.clip(drawn.truth + wrong, 0, 1))
        champion = ranks(drawn, drawn.truth + rng.normal(0, 0.4, drawn.truth.shape))
        found = told(drawn, own, champion)["gain"]
        covered.append(found["low"] <= truly(drawn, own, champion) <= found["high"])
    assert np.mean(covered) == pytest.approx(0.95, abs=0.04)


@given(st.integers(0, 2**31))
def test_a_version_that_chooses_as_its_champion_gains_exactly_nothing(seed: int) -> None:
    drawn = draw(seed)
    own = ranks(drawn, drawn.truth)
    found = told(drawn, own, dataclasses.replace(own, probability=1 - own.probability))
    assert found["gain"] == {"value": 0, "low": 0, "high": 0}


def test_too_few_rows_or_users_give_no_estimate_and_say_so() -> None:
    for drawn in (draw(1, users=45, rows=60), draw(1, users=60, rows=2)):
        found = told(drawn, ranks(drawn, drawn.truth), None, wanted=False)
        assert found["gain"] is None
        assert found["message"].startswith("too few rows")
        assert exploration.metrics(found) == {}
        assert_told(found, "No estimate: too few rows")
    drawn = draw(1)
    own = ranks(drawn, drawn.truth)
    assert "champion could not" in told(drawn, own, None, wanted=True)["message"]
    never = dataclasses.replace(own, first=(drawn.decisions.chosen + 1) % 2)
    assert "none of the items" in told(drawn, own, never)["message"]


def test_draws_that_are_not_uniform_are_noticed() -> None:
    """A log that shows the first item of the pool twice as often as it says."""
    drawn = draw(2)
    first = np.random.default_rng(0).random(len(drawn.truth)) < 0.3
    chosen = np.where(first, 0, drawn.decisions.chosen)
    drawn = dataclasses.replace(
        drawn, decisions=dataclasses.replace(drawn.decisions, chosen=chosen)
    )
    own = dataclasses.replace(ranks(drawn, drawn.truth), first=np.zeros_like(chosen))
    found = told(drawn, own, None, wanted=False)
    assert found["gain"] is None
    assert "not drawn as the log says" in found["message"]


def shop(attribution: bool = True, seed: int = 0, impressions: int = 12_000) -> Dataset:
    """Impressions of one item each, drawn from a pool; half of the items are clicked often."""
    rng = np.random.default_rng(seed)
    pools = np.argsort(rng.random((impressions, ITEMS)), axis=1)[:, :POOL]
    shown = pools[:, 0].copy()
    pools.sort(axis=1)
    users = rng.integers(0, 80, impressions)
    clicked = rng.random(impressions) < RATES[shown]
    events: list[Any] = []
    for at, (user, item, yes) in enumerate(zip(users, shown, clicked, strict=True)):
        time = 1 + 100 * at
        events.append((int(user), int(item), 2.0, time, {"event_type": "impression"}))
        if yes:
            events.append((int(user), int(item), 5.0, time + 20, {"event_type": "click"}))
    of = {"attribution": {"impressions": ["impression"], "hours": 0.01}} if attribution else {}
    declared = Declaration.model_validate(
        {
            "label": {"positiveTypes": [{"type": "click"}], **of},
            "items": [{"name": "kind", "kind": "Boolean"}],
        }
    )
    of_items = [{"id": n, "kind": "true" if n % 2 else "false"} for n in range(ITEMS)]
    data = small_data.build(events, [{"id": n} for n in range(80)], of_items, declared)
    table = pl.DataFrame(
        {
            "user_id": users,
            "timestamp": 1 + 100 * np.arange(impressions),
            "item_id": shown,
            "place": np.zeros(impressions, dtype=np.int64),
            "pool": [" ".join(map(str, pool)) for pool in pools.tolist()],
        },
        schema=schema.EXPLORED_SCHEMA,
    )
    found = Explored.of(table, data.users.ids, data.items.ids)
    return dataclasses.replace(data, explored=found)


@pytest.fixture(scope="module")
def learned() -> tuple[Prepared, Bundle]:
    prepared = prepare(shop(), CONFIG)
    return prepared, fit_models(prepared, CONFIG, 1)


def test_a_model_that_has_learned_the_rates_gains_over_the_draw(
    learned: tuple[Prepared, Bundle],
) -> None:
    prepared, bundle = learned
    report = evaluate(bundle, prepared, prepared.split.test)
    found = report["offPolicy"]
    assert found["places"] == found["judged"] == len(prepared.split.test)
    assert found["against"] == "uniform"
    pools = np.sort(prepared.data.explored.pool, axis=1)  # type: ignore[union-attr]
    truth = float((RATES[pools].max(1) - RATES[pools].mean(1)).mean())
    assert report["metrics"]["offPolicyGain"] == found["gain"]["value"]
    assert found["gain"]["low"] < truth < found["gain"]["high"]
    assert found["estimates"]["recommender"]["supported"]
    assert_told(
        found, f"{found['gain']['value']:+.4f} positive responses", "compared with the draw"
    )


def test_a_champion_is_judged_at_the_same_places(learned: tuple[Prepared, Bundle]) -> None:
    """One that reverses the pools, and one that cannot be evaluated."""
    prepared, bundle = learned

    def reversed_(window: answers.Window) -> answers.Answers:
        own = answers.answer(bundle, prepared, window)["recommender"]
        assert own.pools is not None
        worst = Pools(own.pools.probability.argmin(1), own.pools.probability)
        return dataclasses.replace(own, pools=worst)

    report = evaluate(bundle, prepared, prepared.split.test, reversed_)
    assert report["offPolicy"]["against"] == "champion"
    assert_told(report["offPolicy"], "compared with the champion", "Champion")
    assert report["metrics"]["offPolicyGainLow"] > 0.2
    report = evaluate(bundle, prepared, prepared.split.test, lambda _: None)
    assert "offPolicyGain" not in report["metrics"]
    assert "champion could not" in report["offPolicy"]["message"]


def test_places_without_a_label_or_with_unknown_items_do_not_count(
    learned: tuple[Prepared, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, _ = learned
    data, rows = prepared.data, prepared.split.test
    explored = data.explored
    assert explored is not None
    first = int(np.flatnonzero(explored.time == data.events.time[rows[0]])[0])
    pool, user = explored.pool.copy(), explored.user.copy()
    pool[first, 1 if pool[first, 0] == explored.item[first] else 0] = -1
    user[first + 1] = (user[first + 1] + 1) % 80
    changed = dataclasses.replace(
        data, explored=dataclasses.replace(explored, pool=pool, user=user)
    )
    found = explored_places.of(changed, rows, 5)
    assert found is not None
    assert (found.without_label, found.unknown_items) == (1, 1)
    assert found.known == len(rows) - 2
    assert np.array_equal(
        data.events.item[found.row], found.pool[np.arange(len(found.row)), found.chosen]
    )
    assert explored_places.of(dataclasses.replace(data, explored=None), rows, 5) is None
    monkeypatch.setattr(explored_places, "MAX_PLACES", 50)
    some, again = (explored_places.of(changed, rows, 5) for _ in range(2))
    assert some is not None
    assert again is not None
    assert (some.known, len(some.row)) == (found.known, 50)
    assert np.array_equal(some.row, again.row)
    assert np.isin(some.row, found.row).all()


def test_a_model_puts_nothing_there_that_it_does_not_know_and_weighs_its_bonus(
    learned: tuple[Prepared, Bundle],
) -> None:
    """By what is added to its ranks, of which its probabilities know nothing."""
    prepared, bundle = learned
    window = answers.window(prepared, prepared.split.test, bundle.sources)
    places = explored_places.of(prepared.data, prepared.split.test, 5)
    window = dataclasses.replace(window, places=places)
    _, scorer = answers.scorers(bundle, prepared)

    def best(added: Any) -> tuple[Any, Pools]:
        found = window.pools(lambda asked, pools: asked.scores(pools, scorer), added)
        assert found is not None
        assert places is not None
        return places.pool[np.arange(len(found.first)), found.first], found

    (plain, one), (others, two) = best(None), best(np.where(np.arange(ITEMS) < 6, -np.inf, 0.0))
    raised, _ = best(np.where(np.arange(ITEMS) == 0, 50.0, 0.0))
    assert np.array_equal(one.probability, two.probability)
    assert places is not None
    some = (places.pool >= 6).any(1)
    assert (plain < 6).any()
    assert (others[some] >= 6).all()
    assert (raised[(places.pool == 0).any(1)] == 0).all()


def test_without_attribution_to_impressions_there_is_no_estimate() -> None:
    data = shop(attribution=False, impressions=200)
    places = explored_places.of(data, np.arange(100, 150), 5)
    assert places is not None
    assert len(places.row) == places.known == 0
    assert places.without_label > 0
    drawn = draw(1)
    none = Decisions(*(values[:0] for values in vars(drawn.decisions).values()))
    found = exploration.section(places, none, None, None, wanted=False)
    assert found["gain"] is None
    assert "attribution" in found["message"]


def test_a_session_at_a_place_is_what_came_strictly_before(
    learned: tuple[Prepared, Bundle],
) -> None:
    prepared, _ = learned
    places = explored_places.of(prepared.data, prepared.split.test, 5)
    assert places is not None
    events = prepared.data.events
    for row, request in list(zip(places.row, places.task.requests, strict=True))[:50]:
        own = np.flatnonzero((events.user == events.user[row]) & (events.time < events.time[row]))
        assert request.session.tolist() == own[-5:].tolist()

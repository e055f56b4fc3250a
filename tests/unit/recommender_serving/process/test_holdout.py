"""A process keeps users from the model if its settings say so and somebody measures it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from recommender_contract.events import Source
from recommender_runtime.settings import SettingsError
from recommender_serving.experiments.holdout import Holdout
from recommender_serving.process import components
from recommender_serving.process.settings import ServeSettings, parse
from tests.holdout_vectors import setting
from tests.unit.recommender_serving.serving_fakes import GOOD, PLAIN, giving
from tests.unit.recommender_serving.serving_samples import request, sample_artifact

NAMES = {"RECOMMENDER_MODEL": "movies", "RECOMMENDER_VERSION": "movies-1"}
COLLECTED = {"RECOMMENDER_COLLECTOR_URL": "http://collector", "RECOMMENDER_IMPRESSIONS": "1"}


def settings(holdout: str, **environ: str) -> ServeSettings:
    given = NAMES | COLLECTED | environ | {"RECOMMENDER_HOLDOUT": holdout}
    found = parse(["serve", "--artifact", "/artifact"], given)
    assert isinstance(found, ServeSettings)
    return found


def test_the_setting_of_the_contract_is_read() -> None:
    held = Holdout("5c0ffee5", "holdout-0a1b2c3d", 5, Source.BASELINE, 1000.0)
    assert settings(setting()).holds == held
    assert settings("").holds is None


@pytest.mark.parametrize(
    ("name", "value"), [("RECOMMENDER_COLLECTOR_URL", ""), ("RECOMMENDER_IMPRESSIONS", "0.5")]
)
def test_nobody_is_kept_from_the_model_if_nothing_can_be_measured(name: str, value: str) -> None:
    assert settings(setting(), **{name: value}).holds is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"percent": 0}, "percent: .*greater than or equal to 1"),
        ({"percent": 11}, "percent: .*less than or equal to 10"),
        ({"percent": 1.5}, "percent: "),
        ({"answers": "Model"}, "answers: "),
        ({"id": "5C0FFEE5"}, "id: "),
        ({"salt": "0a1b2c3d"}, "salt: "),
        ({"cap": 0}, "cap: "),
        ({"other": 1}, "other: "),
    ],
)
def test_an_invalid_setting_is_an_error_with_the_field(
    change: dict[str, object], message: str
) -> None:
    given = json.dumps(json.loads(setting()) | change)
    with pytest.raises(SettingsError, match=f"RECOMMENDER_HOLDOUT is invalid: .*{message}"):
        settings(given)


@pytest.mark.parametrize(
    ("answers", "calls", "source"),
    [("Baseline", 1, Source.BASELINE), ("Popularity", 0, Source.POPULARITY)],
)
async def test_the_model_never_answers_a_user_of_the_holdout(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: str,
    calls: int,
    source: Source,
) -> None:
    monkeypatch.setattr(components, "REGISTRY", CollectorRegistry())
    model, baseline = giving(GOOD), giving(PLAIN)
    given = settings(setting().replace("Baseline", answers), RECOMMENDER_ANSWER_CACHE="60,100,1")
    recommender = components.build_recommender(given, sample_artifact(tmp_path), (model, baseline))
    (answer,) = await recommender.recommend([request(held=True)])
    assert answer.source is source
    assert (model.calls, baseline.calls) == (0, calls)
    (answer,) = await recommender.recommend([request()])
    assert answer.source is Source.MODEL

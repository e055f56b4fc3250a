"""Models are evaluated with the items as they were at the start of the window, as in serving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.config.training import parse_config
from recommender_training.data_checks import profile
from recommender_training.evaluation import predictions, response_metrics
from recommender_training.features.prepared_data import PreparedData, judged_at, prepare_data
from recommender_training.trainer.fit_models import fit_models
from tests import small_data
from tests.mapped_files import START, check, declare, event, write

CONFIG = parse_config('{"seed": 3, "algorithm": "LogisticRegression"}')
ITEMS, USERS, EVENTS = 12, 15, 600
FEATURES = [{"name": "badge", "kind": "Categorical", "fairness": True},
            {"name": "released", "kind": "Timestamp"}]  # fmt: skip
HISTORY = FeatureSchema.model_validate({"itemHistory": True, "items": FEATURES})


def prepared(*, later: bool) -> PreparedData:
    """A log in which half of the likes follow a badge; `later` ones begin in the test window."""
    random = np.random.default_rng(7)
    items = random.integers(0, ITEMS, EVENTS)
    liked = random.random(EVENTS) < np.where(items % 2, 0.7, 0.3)
    users = random.integers(0, USERS, EVENTS)
    events: Any = [
        (int(user), int(item), 5.0 if good else 2.0, 1 + at)
        for at, (user, item, good) in enumerate(zip(users, items, liked, strict=True))
    ]
    rows: list[dict[str, Any]] = [
        {"id": n, "valid_from": 0, "badge": "hot" if n % 2 else "new", "released": 1}
        for n in range(ITEMS)
    ]
    start = int(EVENTS * 0.9) + 1
    if later:
        rows += [
            {"id": int(item), "valid_from": 1 + at, "badge": "hot", "released": 500}
            for at, item in dict(enumerate(items)).items()
            if at > start and liked[at]
        ]
    return prepare_data(
        small_data.build(events, [{"id": n} for n in range(USERS)], rows, HISTORY), CONFIG
    )


def test_rows_that_begin_inside_a_window_change_no_answer_on_it() -> None:
    plain, changed = prepared(later=False), prepared(later=True)
    bundle, rows = fit_models(plain, CONFIG, 1), plain.split.test
    one, other = (
        predictions.answer(bundle, each, predictions.window(each, rows))["baseline"]
        for each in (plain, changed)
    )
    assert one.probability is not None
    assert other.probability is not None
    assert one.probability.tolist() == pytest.approx(other.probability.tolist(), abs=1e-6)
    assert one.top.tolist() == other.top.tolist()
    groups = [
        response_metrics.item_rows(predictions.window(each, rows).data, rows)
        for each in (plain, changed)
    ]
    assert groups[0]["badge:hot"].tolist() == groups[1]["badge:hot"].tolist()


def test_without_a_history_nothing_is_made_again() -> None:
    data = small_data.build(
        [(n % 3, n % 4, 5.0 if n % 2 else 2.0, n + 1) for n in range(40)],
        [{"id": n} for n in range(3)],
        [{"id": n, "badge": "new"} for n in range(4)],
        FeatureSchema.model_validate({"items": FEATURES}),
    )
    found = prepare_data(data, CONFIG)
    assert judged_at(found, 30) is found


def test_the_profile_of_a_history_counts_one_row_an_item(tmp_path: Path) -> None:
    source = tmp_path / "raw"
    feature = {"name": "badge", "kind": "Categorical"}
    items = {"files": "items/*", "id": "id", "validFrom": "since", "features": [feature]}
    rows = [{"id": 5, "since": START + n, "badge": "hot" if n % 2 else "new"} for n in range(9)]
    rows.append({"id": 6, "since": START, "badge": "hot"})
    write(source / "items" / "one.csv", rows)
    write(source / "events" / "one.csv",
          [event(1, 5, START + 60 * n, 5 if n % 2 else 2) for n in range(20)])  # fmt: skip
    version = check(source, tmp_path / "lake", declare(items=items)).data_version
    found = profile.build_profile(tmp_path / "lake", version, None).profile["tables"]["items"]
    assert found["rows"] == 2
    assert found["categories"]["badge"]["counts"] == {"hot": 1, "new": 1}

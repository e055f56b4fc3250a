"""A shift inside a small segment is found by name; without one there is none, beyond the level."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data_checks import segment_shift
from recommender_training.data_checks.policy import Watch
from recommender_training.data_checks.segment_bins import MOST_VALUES, Cross, Placed
from recommender_training.data_checks.segment_shift import Reference, Seen

WATCH = Watch()
DECLARED = FeatureSchema.model_validate(
    {
        "users": [
            {"name": "age", "kind": "Numeric", "segments": True},
            {"name": "plan", "kind": "Categorical", "segments": True},
            {"name": "likes", "kind": "MultiCategorical"},
        ],
        "context": [{"name": "device", "kind": "Categorical", "fairness": True}],
    }
)
#: The plan of a twentieth of the users.
SMALL = "team"
Random = np.random.Generator


def sessions(
    random: Random, first: int = 0, users: int = 4000, days: int = 1, start: int = 0
) -> pl.DataFrame:
    """Users with an age, a plan and likes of their own, and a session on each of some days."""
    user = np.repeat(np.arange(first, first + users), np.minimum(random.geometric(0.4, users), 8))
    place = user - first
    age = np.clip(random.gamma(7, 5, users).round(), 7, 80)
    age[random.random(users) < 0.05] = np.nan
    plan = random.choice([SMALL, "single", "family"], users, p=[0.05, 0.6, 0.35])
    liked = random.integers(0, 5, users)
    likes = [[f"l{one}", f"l{other}"] for one, other in zip(liked, liked // 2, strict=True)]
    return pl.DataFrame(
        {
            "user_id": user,
            "day": start + random.integers(0, days, len(user)),
            "age": pl.Series(age[place], nan_to_null=True),
            "plan": plan[place],
            "likes": [likes[each] for each in place.tolist()],
            "device": random.choice(["phone", "tv", "web"], len(user), p=[0.5, 0.1, 0.4]),
        }
    )


def later(random: Random, users: int = 8000) -> pl.DataFrame:
    """Six days of other users than those of the reference."""
    return sessions(random, first=10_000, users=users, days=6, start=30)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.of(sessions(np.random.default_rng(1)), DECLARED)


def changed(frame: pl.DataFrame, where: pl.Expr, feature: str, to: pl.Expr) -> pl.DataFrame:
    return frame.with_columns(pl.when(where).then(to).otherwise(feature).alias(feature))


IN_SMALL = pl.col("plan") == SMALL


@pytest.mark.parametrize(
    ("feature", "to"),
    [
        ("age", pl.lit(None, dtype=pl.Float64)),
        ("age", pl.col("age") + 10),
        ("device", pl.lit("phone")),
        ("likes", pl.lit(["l0", "l9"])),
    ],
)
def test_a_shift_inside_a_twentieth_is_found_with_feature_and_segment(
    reference: Reference, feature: str, to: pl.Expr
) -> None:
    frame = changed(later(np.random.default_rng(2)), IN_SMALL, feature, to)
    seen = segment_shift.judge(WATCH, reference, frame)
    (one,) = [each for each in seen.shifts if each.segment == "plan"]
    assert (one.feature, one.value) == (feature, SMALL)
    assert "of its sessions" in one.text
    assert "in training" in one.text


def test_all_sessions_together_hide_it(reference: Reference) -> None:
    """By the same tests, of one segment that has everybody."""
    everybody = pl.lit("all").alias("plan")
    only = FeatureSchema.model_validate(
        {"users": [{"name": "age", "kind": "Numeric"}, DECLARED.users[1].model_dump()]}
    )
    whole = Reference.of(sessions(np.random.default_rng(1)).with_columns(everybody), only)
    frame = changed(later(np.random.default_rng(2)), IN_SMALL, "age", pl.col("age") + 10)
    seen = segment_shift.judge(WATCH, whole, frame.with_columns(everybody))
    assert (seen.segments, seen.shifts) == (1, ())


def test_without_a_change_an_alarm_is_rarer_than_the_level(reference: Reference) -> None:
    random = np.random.default_rng(3)
    alarms = sum(
        bool(segment_shift.judge(WATCH, reference, later(random, users=3000)).shifts)
        for _ in range(40)
    )
    assert alarms <= 2  # at .005 more would come once in 300 such runs


def test_one_odd_window_is_no_shift(reference: Reference) -> None:
    """Nor are two of three, and not one that is over."""
    frame = later(np.random.default_rng(4))
    null = pl.lit(None, dtype=pl.Float64)
    for odd in (pl.col("day") == 35, pl.col("day") >= 34, pl.col("day") < 35):
        seen = segment_shift.judge(WATCH, reference, changed(frame, IN_SMALL & odd, "age", null))
        assert seen.shifts == ()
    lasting = changed(frame, IN_SMALL & (pl.col("day") >= 33), "age", null)
    assert "age" in {
        each.feature for each in segment_shift.judge(WATCH, reference, lasting).shifts
    }


def test_windows_are_whole_days_and_as_many_as_a_segment_needs(reference: Reference) -> None:
    random = np.random.default_rng(5)
    few = later(random).filter(~IN_SMALL | (pl.col("user_id") % 4 == 0))
    seen = segment_shift.judge(WATCH, reference, few)
    assert seen.segments > 3
    # Of a quarter of the segment's users, a window takes several days, and three do not fit.
    broken = changed(few, IN_SMALL, "age", pl.lit(None, dtype=pl.Float64))
    assert segment_shift.judge(WATCH, reference, broken).shifts == ()
    alone = few.filter(IN_SMALL & (pl.col("user_id") % 32 == 0))
    assert segment_shift.judge(WATCH, reference, alone).segments == 0


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_sessions_changes_nothing(reference: Reference, seed: int) -> None:
    frame = changed(later(np.random.default_rng(6)), IN_SMALL, "age", pl.col("age") + 8)
    expected = segment_shift.judge(WATCH, reference, frame)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)
    assert segment_shift.judge(WATCH, reference, shuffled) == expected


def test_disjoint_users_of_a_reference_add_up() -> None:
    frame = sessions(np.random.default_rng(7))
    whole = Reference.of(frame, DECLARED)
    counted = [_counted(whole, frame.filter(pl.col("user_id") % 2 == side)) for side in (0, 1)]
    for by, crosses in whole.crosses.items():
        for name, cross in crosses.items():
            added = counted[0][by, name] + counted[1][by, name]
            assert added.values.to_json() == cross.values.to_json()
            assert added.missing.to_json() == cross.missing.to_json()


def _counted(whole: Reference, frame: pl.DataFrame) -> dict[tuple[str, str], Cross]:
    placed = Placed.of(whole.features, frame)
    return {
        (by.bins.name, name): cross
        for by in whole.groups
        for name, cross in segment_shift.crossed(
            by, placed, by.place(frame[by.bins.name]), by.count
        ).items()
    }


def test_a_file_keeps_a_reference(reference: Reference) -> None:
    content = reference.to_json()
    assert Reference.read(json.loads(json.dumps(content))).to_json() == content


def test_the_size_of_a_reference_depends_on_the_declaration_alone() -> None:
    random = np.random.default_rng(8)
    names = [f"f{n}" for n in range(20)]
    declared = FeatureSchema.model_validate(
        {
            "users": [
                {"name": name, "kind": "Categorical", "segments": n < 5}
                for n, name in enumerate(names)
            ]
        }
    )

    def size(users: int) -> int:
        frame = pl.DataFrame(
            {
                "user_id": np.arange(users),
                "day": np.zeros(users, dtype=np.int64),
                **{name: random.integers(0, 500, users).astype(str) for name in names},
            }
        )
        made = Reference.of(frame, declared)
        assert [each.count for each in made.groups] == [MOST_VALUES + 1] * 3
        return len(json.dumps(made.to_json()))

    assert size(40_000) < 1.5 * size(4000) < 400_000


def test_new_values_of_a_segment_are_all_others(reference: Reference) -> None:
    frame = later(np.random.default_rng(9)).with_columns(plan=pl.lit("new"))
    seen = segment_shift.judge(WATCH, reference, frame)
    assert all(each.segment != "plan" for each in seen.shifts)


def test_no_session_and_an_empty_reference_are_compared_with_nothing(
    reference: Reference,
) -> None:
    nothing = later(np.random.default_rng(9)).clear()
    assert segment_shift.judge(WATCH, reference, nothing) == Seen((), 0, 19, 0)
    empty = Reference.of(nothing, DECLARED)
    assert segment_shift.judge(WATCH, empty, later(np.random.default_rng(9))).segments == 0

"""Names are digests of their inputs, and fit a DNS label."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.checks import DataChecks
from recommender_operator.api import rules
from recommender_operator.api.spec import DataSpec, RecommenderModelSpec, TrainingSpec
from recommender_operator.observed import JobKind
from recommender_operator.resources import names
from tests.sources import SOURCE, source

LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
DATA = DataSpec.model_validate({"source": SOURCE})


def test_the_digest_of_a_known_spec_never_changes() -> None:
    """A release that changes it would retrain every existing model."""
    digest = names.spec_hash(DATA, TrainingSpec())
    assert digest == "c698f92b5a61967a3f78f027c0ae6f6e2d19e114f2a96bfa0d8527aafb951ec8"
    assert names.version_name("movies", digest) == f"movies-{digest[:8]}"


def test_defaults_written_out_make_the_same_version() -> None:
    written = TrainingSpec.model_validate(TrainingSpec().dump())
    assert names.spec_hash(DATA, written) == names.spec_hash(DATA, TrainingSpec())


def test_an_optional_field_of_a_later_release_makes_no_new_version() -> None:
    class Later(TrainingSpec):
        precision: str = "float32"

    assert names.spec_hash(DATA, Later()) == names.spec_hash(DATA, TrainingSpec())


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (
            {
                "source": source(path="ml-100k"),
                "window": {"days": 90},
            },
            "d44290b65cbacfb7cfe79aa304833d78325db6ac00d4c8c8c78962310801e154",
        ),
        (
            {
                "source": SOURCE,
                "minRows": 5,
                "maxQuarantinedShare": 0.5,
            },
            "32bb968cd1ccf35e6f9bc48ade5d285e3664447883fe112b235c473663a2a5fb",
        ),
    ],
)
def test_data_without_a_mapping_keeps_its_name(data: dict[str, Any], digest: str) -> None:
    """The digests are recorded: a release that only adds fields keeps them."""
    spec = DataSpec.model_validate(data)
    assert names.spec_hash(spec, TrainingSpec()) == digest
    absent = {**data, "source": {**data["source"], "mapping": None}}
    assert names.spec_hash(DataSpec.model_validate(absent), TrainingSpec()) == digest


def test_the_checks_of_the_data_at_their_defaults_make_no_new_version() -> None:
    """As the API server sets them, and as a manifest may spell them out."""
    same: tuple[dict[str, object], ...] = ({}, {"levels": {}}, DataChecks().dump())
    for checks in same:
        spec = DataSpec.model_validate({"source": SOURCE, "checks": checks})
        assert names.spec_hash(spec, TrainingSpec()) == names.spec_hash(DATA, TrainingSpec())
    other = {
        "source": SOURCE,
        "checks": {"levels": {"shift": "Block"}},
    }
    spec = DataSpec.model_validate(other)
    assert names.spec_hash(spec, TrainingSpec()) != names.spec_hash(DATA, TrainingSpec())


def test_a_schedule_of_snapshots_makes_no_version_and_a_pin_to_the_past_does() -> None:
    def digest(**fields: object) -> str:
        data = DataSpec.model_validate({"source": SOURCE} | fields)
        return names.spec_hash(data, TrainingSpec())

    plain = names.spec_hash(DATA, TrainingSpec())
    assert digest(snapshots={"every": "Hourly", "keep": 3}) == plain
    pins: tuple[dict[str, str], ...] = (
        {"version": "i3.u1.t0-0123456789abcdef"},
        {"asOf": "2026-11-01T06:00:00Z"},
        {"asOf": "2026-11-01T07:00:00Z"},
    )
    assert len({plain, *(digest(**pin) for pin in pins)}) == 4
    assert digest(asOf="2026-11-01T06:00:00Z") == digest(asOf="2026-11-01T06:00:00.000+00:00")


def test_a_mapping_makes_a_version_and_its_defaults_written_out_the_same() -> None:
    def digest(sections: dict[str, Any] | None = None, **changes: Any) -> str:
        mapping = {
            "interactions": {"files": "*.csv", "user": "u", "item": "i",
                             "timestamp": "t", "value": "v"} | changes
        } | (sections or {})  # fmt: skip
        source = {
            "persistentVolumeClaim": {"claimName": "raw"},
            "format": "CSV",
            "mapping": mapping,
        }
        return names.spec_hash(DataSpec.model_validate({"source": source}), TrainingSpec())

    assert digest() == digest(timestampUnit="Seconds", lowest=1)
    assert digest() == digest({"ids": {"item": "Integer"}})
    assert digest() != digest({"ids": {"item": "Text"}})
    device = {"name": "device", "kind": "Categorical"}
    plain, used = (digest(features=[device | more]) for more in ({}, {"coldStart": True}))
    assert plain == digest(features=[device | {"fairness": False}])
    assert len({digest(), digest(user="v"), digest(timestamp="w"), plain, used}) == 5


def test_a_search_makes_a_version_and_its_defaults_written_out_the_same() -> None:
    def digest(training: dict[str, Any]) -> str:
        return names.spec_hash(DATA, TrainingSpec.model_validate(training))

    assert digest({"search": None}) == names.spec_hash(DATA, TrainingSpec())
    assert digest({"search": {}}) == digest({"search": {"sampler": "TPE", "trials": 20}})
    searches: list[dict[str, Any]] = [
        {}, {"search": {}}, {"search": {"trials": 21}}, {"search": {"space": {"dropout": {}}}},
        {"search": {"space": {"dropout": {"max": 0.4}}}},
    ]  # fmt: skip
    assert len({digest(each) for each in searches}) == len(searches)


def test_data_training_and_token_each_make_another_version() -> None:
    other_data = DataSpec.model_validate({"source": source("other")})
    other_training = TrainingSpec(seed=18)
    digests = {
        names.spec_hash(DATA, TrainingSpec()),
        names.spec_hash(other_data, TrainingSpec()),
        names.spec_hash(DATA, other_training),
        names.spec_hash(DATA, TrainingSpec(), "token"),
    }
    assert len(digests) == 4


def test_fields_outside_data_and_training_make_no_new_version() -> None:
    base = {
        "data": {"source": SOURCE},
        "storage": {"persistentVolumeClaim": {"claimName": "store"}},
    }
    one = RecommenderModelSpec.model_validate(base)
    two = RecommenderModelSpec.model_validate(base | {"serving": {"replicas": 9}, "paused": True})
    assert names.desired_version("movies", one) == names.desired_version("movies", two)


@given(
    st.from_regex(r"\A[a-z]([-a-z0-9]{0,38}[a-z0-9])?\Z"),
    st.sampled_from(list(JobKind)),
    st.integers(0, 9999),
)
def test_names_of_children_fit(model: str, kind: JobKind, attempt: int) -> None:
    version = names.version_name(model, "0123456789abcdef")
    assert LABEL.match(version)
    assert LABEL.match(names.job_name(version, kind, attempt))


def test_a_removal_is_named_by_the_very_object_and_fits_a_label() -> None:
    longest = "m" * rules.MAX_MODEL_NAME + "-01234567"
    name = names.removal_name(longest, 12345, "uid-1")
    assert LABEL.match(name)
    assert len(name) <= 63
    assert name != names.removal_name(longest, 12345, "uid-2")
    assert name != names.removal_name(longest, 12346, "uid-1")
    assert name == names.removal_name(longest, 12345, "uid-1")


def test_the_default_of_max_per_row_names_no_new_version_where_it_is_stated() -> None:
    def digest(table: str, **settings: Any) -> str:
        tags = {"name": "tags", "kind": "MultiCategorical", **settings}
        mapping: dict[str, Any] = {
            "interactions": {"files": "e/*", "user": "u", "item": "i", "timestamp": "t",
                             "value": "v"},
            "users": {"files": "u/*", "id": "id"},
        }  # fmt: skip
        mapping[table]["features"] = [tags]
        source = {
            "persistentVolumeClaim": {"claimName": "raw"},
            "format": "CSV",
            "mapping": mapping,
        }
        return names.spec_hash(DataSpec.model_validate({"source": source}), TrainingSpec())

    for table in ("interactions", "users"):
        assert digest(table, maxPerRow=16) == digest(table)
        assert digest(table, maxPerRow=15) != digest(table)


def test_a_name_that_is_too_long_for_a_label_ends_with_a_digest_of_it() -> None:
    version = names.version_name("m" * 40, "0" * 64)
    tenth, eleventh = (names.job_name(version, JobKind.RECALIBRATE, at) for at in (10, 11))
    assert len(tenth) == 63
    assert tenth != eleventh
    assert names.job_name(version, JobKind.RECALIBRATE, 9) == f"{version}-recalibrate-9"

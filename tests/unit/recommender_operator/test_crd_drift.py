"""The committed definitions in `manifests/crds` and the chart equal the models."""

from __future__ import annotations

import pathlib

import pytest
import yaml

from recommender_operator.api import crd
from recommender_operator.api.spec import RecommenderModelSpec

ROOT = pathlib.Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "recommender-operator"
REMEDY = "run: python -m recommender_operator.api.crd"


@pytest.mark.parametrize("name", sorted(crd.files()))
def test_the_manifest_is_the_rendered_model(name: str) -> None:
    committed = (ROOT / "manifests" / "crds" / name).read_text(encoding="utf-8")
    assert committed == crd.to_yaml(crd.files()[name]), REMEDY


def test_nothing_else_lies_beside_the_manifests() -> None:
    found = {path.name for path in (ROOT / "manifests" / "crds").iterdir()}
    assert found == set(crd.files())


@pytest.mark.parametrize("name", sorted(crd.files()))
def test_the_chart_carries_the_same_definition(name: str) -> None:
    copies = sorted(CHART.rglob(name))
    assert copies, f"the chart has no {name}"
    for copy in copies:
        assert copy.read_text(encoding="utf-8") == crd.to_yaml(crd.files()[name]), REMEDY


def test_writing_gives_the_rendered_files(tmp_path: pathlib.Path) -> None:
    written = crd.write(tmp_path)
    assert {path.name: yaml.safe_load(path.read_text()) for path in written} == crd.files()


@pytest.mark.parametrize(
    "sample", sorted((ROOT / "manifests" / "samples").glob("*.yaml")), ids=lambda p: p.stem
)
def test_a_sample_uses_known_fields_only(sample: pathlib.Path) -> None:
    document = yaml.safe_load(sample.read_text(encoding="utf-8"))
    spec = RecommenderModelSpec.model_validate(document["spec"])

    def missing(requested: object, known: object, path: str = "spec") -> list[str]:
        if isinstance(requested, dict) and isinstance(known, dict):
            unknown = [f"{path}.{key}" for key in requested if key not in known]
            return unknown + [
                p
                for k in requested
                if k in known
                for p in missing(requested[k], known[k], f"{path}.{k}")
            ]
        if isinstance(requested, list) and isinstance(known, list):
            return [p for a, b in zip(requested, known, strict=True) for p in missing(a, b, path)]
        return [] if requested == known else [f"{path}: {requested!r} became {known!r}"]

    assert missing(document["spec"], spec.dump()) == []

"""The CRDs as the chart installs them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from recommender_operator.api import crd
from tests.chart import CHART, of_kind, template

KIND = "CustomResourceDefinition"


def test_the_chart_installs_the_crds_as_the_models_say() -> None:
    installed = {found["metadata"]["name"]: found["spec"] for found in of_kind("defaults", KIND)}
    wanted = {found["metadata"]["name"]: found["spec"] for found in crd.render_all().values()}
    assert installed == wanted


def test_the_chart_keeps_its_crds_by_default() -> None:
    found = of_kind("defaults", KIND)
    assert len(found) == len(crd.render_all()) == 3
    for definition in found:
        assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def with_crd(tmp_path: Path, text: str) -> Path:
    """Return a copy of the chart whose only CRD is the given text."""
    chart = tmp_path / CHART.name
    shutil.copytree(CHART, chart, ignore=shutil.ignore_patterns("crds"))
    (chart / "files" / "crds").mkdir(parents=True)
    (chart / "files" / "crds" / "one.yaml").write_text(text, encoding="utf-8")
    return chart


CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: things.recommender.dev
spec:
  versions:
  - schema: {maximum: 2147483647, small: 1.0e-05}
"""


@pytest.mark.parametrize("keep", [True, False])
def test_crds_are_kept_when_the_values_say_so(tmp_path: Path, keep: bool) -> None:
    done = template({"crds.keep": str(keep).lower()}, with_crd(tmp_path, CRD))
    assert done.returncode == 0, done.stderr
    (crd,) = [
        found
        for found in yaml.safe_load_all(done.stdout)
        if found["kind"] == "CustomResourceDefinition"
    ]
    policy = (crd["metadata"].get("annotations") or {}).get("helm.sh/resource-policy")
    assert policy == ("keep" if keep else None)
    assert crd["metadata"]["labels"]["app.kubernetes.io/instance"] == "recommender"
    assert crd["metadata"]["name"] == "things.recommender.dev"
    # Numbers come through as they were written.
    assert "maximum: 2147483647, small: 1.0e-05" in done.stdout


def test_a_crd_of_another_shape_is_not_let_through_without_its_policy(tmp_path: Path) -> None:
    other = CRD.replace("metadata:\n", "metadata:\n  annotations: {}\n")
    done = template({}, with_crd(tmp_path, other))
    assert done.returncode != 0
    assert "expected metadata to begin with the name" in done.stderr


def test_crds_are_left_out_when_the_values_say_so(tmp_path: Path) -> None:
    done = template({"crds.install": "false"}, with_crd(tmp_path, CRD))
    assert done.returncode == 0, done.stderr
    assert "CustomResourceDefinition" not in done.stdout

"""The tutorial: nothing that a reader types is untested."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml

from recommender_operator.api.spec import RecommenderModelSpec
from tests import documented

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial.md"


def test_each_block_is_run_or_names_the_test_that_covers_it() -> None:
    found = documented.blocks(PAGE)
    assert len([block for block in found if not block.elsewhere]) >= 6
    for block in found:
        assert not block.elsewhere or (ROOT / block.elsewhere).exists(), block


def test_no_block_of_commands_escapes_the_reader_of_blocks() -> None:
    fences = re.findall(r"^```(\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert fences == ["sh"] * len(documented.blocks(PAGE))


def test_each_named_file_exists() -> None:
    words = shlex.split(documented.script(PAGE), comments=True)
    files = [word for word in words if word.startswith("manifests/")]
    assert len(files) == 2
    assert all((ROOT / file).exists() for file in files)


def test_the_model_is_valid() -> None:
    manifest = yaml.safe_load((ROOT / "manifests/tutorial/movies.yaml").read_text())
    RecommenderModelSpec.model_validate(manifest["spec"])


def test_the_images_are_built_from_what_there_is_and_tagged_as_the_chart_pulls_them() -> None:
    (text,) = (block.text for block in documented.blocks(PAGE) if "docker build" in block.text)
    chart = yaml.safe_load((ROOT / "charts/recommender-operator/Chart.yaml").read_text())
    (names,) = re.findall(r"for image in ([a-z ]+);", text)
    for image in names.split():
        assert (ROOT / image / "Dockerfile").exists(), image
        assert f"REGISTRY/{image}" in PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"REGISTRY/\$image:(\S+)", text)) == {chart["appVersion"]}
    base = (ROOT / "training/Dockerfile").read_text()
    for file, tag in re.findall(r"-f (\S+torch\S+) -t (\S+)", text):
        assert (ROOT / file).exists()
        assert f"TORCH_IMAGE={tag}" in base

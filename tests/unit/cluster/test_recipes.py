"""Tags of images follow from what goes into them and from nothing else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.cluster import recipes
from tests.cluster.recipes import (
    OPERATOR,
    ROLES,
    SERVING,
    TORCH,
    TRAINING,
    TRITON,
    ImageSources,
)
from tests.cluster.uv import uv_version

LOCK = b"numpy==2.4.6 --hash=sha256:00\n"


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageSources:
    """A copy of what images are made of, with a lock file that the test can change."""
    monkeypatch.delenv("TORCH_VARIANT", raising=False)
    monkeypatch.setattr(recipes, "requirements", lambda root, flags: LOCK)
    with ImageSources().snapshot() as snapshot:
        shutil.copytree(snapshot.root, tmp_path / "root")
    return ImageSources(tmp_path / "root")


def tags(sources: ImageSources) -> dict[str, str]:
    return {recipe.name: sources.tag(recipe) for recipe in (TORCH, *ROLES)}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("path", "rebuilt"),
    [
        ("contract/recommender_contract/ids.py", {"operator", "training", "serving"}),
        ("operator/recommender_operator/__init__.py", {"operator"}),
        ("operator/recommender_console/static/console.css", {"operator"}),
        ("client/recommender_kubectl/requests.py", {"operator"}),
        ("training/recommender_training/__init__.py", {"training"}),
        ("serving/recommender_serving/__init__.py", {"serving"}),
        ("serving/triton/pytorch/model.py", {"triton"}),
        ("training/torch_cpu.py", {"torch", "training", "triton"}),
        ("operator/Dockerfile", {"operator"}),
        ("serving/store/Dockerfile", {"store"}),
        ("training/torch.Dockerfile", {"torch", "training", "triton"}),
    ],
)
def test_an_edit_changes_the_tags_of_the_images_that_hold_the_file(
    sources: ImageSources, path: str, rebuilt: set[str]
) -> None:
    before = tags(sources)

    with (sources.root / path).open("a") as file:
        file.write("\n# edited\n")

    assert changed(before, tags(sources)) == rebuilt


def test_other_locked_packages_change_the_tags(
    sources: ImageSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tags(sources)

    def other(root: Path, flags: str) -> bytes:
        return b"other" if "--extra serving" in flags else LOCK

    monkeypatch.setattr(recipes, "requirements", other)

    assert changed(before, tags(sources)) == {"serving"}


def test_a_snapshot_has_the_same_tags_and_keeps_them(sources: ImageSources) -> None:
    with sources.snapshot() as snapshot:
        before = tags(sources)
        (sources.root / "operator" / "recommender_operator" / "__init__.py").write_text("edited")

        assert tags(snapshot) == before
        assert sources.tag(OPERATOR) != before["operator"]


def test_no_package_of_the_extra_is_left_out_of_both_torch_and_training() -> None:
    def pruned(recipe: recipes.Recipe) -> set[str]:
        (flags,) = recipes.exports((recipes.ROOT / recipe.dockerfile).read_text())
        words = flags.split()
        return {words[i + 1] for i, word in enumerate(words) if word == "--prune"}

    assert pruned(TORCH)
    # The database that a search does not use: test_search_study.py searches without it.
    assert pruned(TRAINING) == {"torch", "numpy", "alembic", "sqlalchemy"}
    assert not pruned(TORCH) & pruned(TRAINING)


def test_the_program_of_the_training_image_does_nothing_in_a_worker_of_a_search() -> None:
    """A spawned process runs the program's file first, under the name `__mp_main__`."""
    text = (recipes.ROOT / TRAINING.dockerfile).read_text().replace("\\\n", "")
    (lines,) = re.findall(r"printf '%s\\n' (.*?)> /recommender-training", text)
    program = "\n".join(re.findall(r"'([^']*)'", lines))
    names = {"__name__": "__mp_main__"}
    exec(compile(program, "recommender-training", "exec"), names)
    assert "main" in names
    assert program.startswith("#!/usr/bin/python3\n")


@pytest.mark.parametrize("recipe", [OPERATOR, SERVING, TRAINING, TORCH, TRITON])
def test_every_dockerfile_shares_its_first_stages_and_pins_the_uv_of_the_set_up(
    recipe: recipes.Recipe,
) -> None:
    text = (recipes.ROOT / recipe.dockerfile).read_text()
    start = text.index("FROM ${BASE_IMAGE} AS python")
    stages = text[start : text.index(f"uv=={uv_version()}")]
    operator = (recipes.ROOT / OPERATOR.dockerfile).read_text()

    assert stages in operator


@pytest.mark.parametrize("recipe", [*ROLES, TORCH])
def test_a_build_pulls_only_debian_and_may_pin_it_by_digest(recipe: recipes.Recipe) -> None:
    """A name of ours on a public registry would be a stranger's, whoever takes it first."""
    text = (recipes.ROOT / recipe.dockerfile).read_text()
    defaults = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", text, re.MULTILINE))
    expected = {"BASE_IMAGE": "docker.io/library/debian:bookworm-slim"}
    if recipe.on_torch:
        expected["TORCH_IMAGE"] = "localhost/recommender/torch:latest"
    assert defaults == expected
    stages = {"python", "build", *(f"${{{name}}}" for name in defaults)}
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) <= stages


@pytest.mark.parametrize("recipe", [OPERATOR, SERVING, TRAINING, TORCH, TRITON])
def test_every_build_installs_what_has_a_known_hash(recipe: recipes.Recipe) -> None:
    text = (recipes.ROOT / recipe.dockerfile).read_text().replace("\\\n", "")
    installs = re.findall(r"pip install [^&\n]+", text)
    assert installs
    assert all("--require-hashes" in command for command in installs)
    assert re.search(rf"uv=={uv_version()} \\' +'--hash=sha256:[0-9a-f]{{64}} ", text)


@pytest.mark.parametrize("recipe", [*ROLES, TORCH])
def test_no_image_runs_as_root(recipe: recipes.Recipe) -> None:
    text = (recipes.ROOT / recipe.dockerfile).read_text()
    users = [line.split()[1] for line in text.splitlines() if line.startswith("USER ")]

    assert users[-1] == ("1000:1000" if recipe == TRITON else "65532:65532")

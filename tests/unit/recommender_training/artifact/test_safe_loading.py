"""Foreign files run no code: no pickles, and only tensor operations in a graph."""

from __future__ import annotations

import ast
import io
import pickle
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import recommender_operator
import recommender_serving
import recommender_training
from recommender_training.artifact import triton
from recommender_training.cli.main import main
from recommender_training.common.errors import InputError
from recommender_training.export import torchscript
from recommender_training.pipeline.champion import Champion


class Trap:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.path, "caught"))


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[tuple[bytes, bytes]]:
    """A trap as a pickle and as torch.save writes it; it must not have been sprung."""
    sprung = tmp_path / "sprung"
    buffer = io.BytesIO()
    torch.save(Trap(sprung), buffer)
    yield pickle.dumps(Trap(sprung), protocol=2), buffer.getvalue()
    assert not sprung.exists(), "a pickle was run"


def rewritten(archive: bytes, name: str, content: bytes) -> bytes:
    """The archive with another file of this name, which is without the root."""
    with zipfile.ZipFile(io.BytesIO(archive)) as old:
        files = {each: old.read(each) for each in old.namelist()}
    root = next(iter(files)).partition("/")[0]
    files[f"{root}/{name}"] = content
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as new:
        for each, data in files.items():
            new.writestr(each, data)
    return buffer.getvalue()


def test_torchscript_does_not_run_a_foreign_pickle(
    trained: Any, trap: tuple[bytes, bytes], tmp_path: Path
) -> None:
    graph = triton.model_path(trained.staged).read_bytes()
    planted = rewritten(graph, "data.pkl", trap[0])
    for data in (trap[0], trap[1], planted):
        path = tmp_path / "model.pt"
        path.write_bytes(data)
        with pytest.raises(RuntimeError):
            torchscript.load(path)


@pytest.mark.parametrize("reader", ["champion", "measure"])
def test_a_changed_graph_is_refused_before_it_is_loaded(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    monkeypatch.setattr(torch.jit, "load", lambda *_: pytest.fail("it was loaded"))
    folder = tmp_path / "artifact"
    shutil.copytree(trained.staged, folder)
    path = triton.model_path(folder)
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    if reader == "champion":
        with pytest.raises(InputError, match="has changed"):
            Champion.load(folder, trained.digest)
        return
    assert main(["measure", str(folder)]) == 2


def test_no_code_of_the_packages_uses_pickle() -> None:
    """`torch.load` without weights_only, and what else reads a pickle."""
    packages = (recommender_training, recommender_operator, recommender_serving)
    files = [path for package in packages for path in Path(package.__path__[0]).rglob("*.py")]
    assert len(files) > 100
    for path in files:
        text = path.read_text()
        if not any(word in text for word in ("pickle", "torch.load", "joblib", "dill")):
            continue
        for node in ast.walk(ast.parse(text)):
            if ast.unparse(node) == "from pickle import UnpicklingError":
                continue  # what torch.load refuses a file with
            if isinstance(node, ast.Import | ast.ImportFrom):
                named = {alias.name for alias in node.names} | {getattr(node, "module", "")}
                assert not named & {"pickle", "dill", "cloudpickle", "joblib"}, path
            if isinstance(node, ast.Call):
                called = ast.unparse(node)
                assert not called.startswith("torch.load(") or "weights_only=True" in called, path
                assert "allow_pickle=True" not in called, path

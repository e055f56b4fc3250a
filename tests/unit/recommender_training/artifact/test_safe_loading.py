"""Foreign files run no code: no pickles, and only tensor operations in a graph."""

from __future__ import annotations

import ast
import hashlib
import io
import json
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
from recommender_training.export import torch_export, torchscript
from recommender_training.pipeline.champion import Champion
from tests.hostile_programs import ATTACKS, Files, rewritten


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


#: What is read of an archive of torch.export before it is loaded. An integration test holds the
#: real one against the same check and the same attacks: exporting takes seconds.
PROGRAM: Files = {
    "archive_format": b"pt2",
    "byteorder": b"little",
    ".data/version": b"3",
    "data/sample_inputs/model.pt": b"",
    "data/weights/weight_0": b"0000",
    "data/weights/model_weights_config.json": json.dumps(
        {"config": {"item_ids": {"path_name": "weight_0", "use_pickle": False}}}
    ).encode(),
    "models/model.json": json.dumps(
        {
            "graph_module": {
                "graph": {"nodes": [{"target": "torch.ops.aten.add.Tensor", "inputs": []}]}
            },
            "size": {"expr_str": "Add(Symbol('s34', positive=True, integer=True), Integer(20))"},
        }
    ).encode(),
}


@pytest.fixture(scope="module")
def program() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as new:
        for name, data in PROGRAM.items():
            new.writestr(f"model/{name}", data)
    torch_export.check(buffer.getvalue(), "sound")
    return buffer.getvalue()


def read(archive: bytes, tmp_path: Path) -> torch.nn.Module:
    path = tmp_path / "model.pt2"
    path.write_bytes(archive)
    return torch_export.load(path, hashlib.sha256(archive).hexdigest())


def test_a_changed_program_is_refused_before_it_is_loaded(
    program: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.export, "load", lambda *_: pytest.fail("it was read"))
    changed = bytearray(program)
    changed[len(changed) // 2] ^= 1
    (tmp_path / "model.pt2").write_bytes(changed)
    with pytest.raises(InputError, match="is wanted") as caught:
        torch_export.load(tmp_path / "model.pt2", hashlib.sha256(program).hexdigest())
    assert caught.value.reason == "ArtifactInvalid"


@pytest.mark.parametrize("attack", list(ATTACKS))
def test_a_program_with_more_than_tensors_is_refused(
    program: bytes,
    trap: tuple[bytes, bytes],
    tmp_path: Path,
    attack: str,
) -> None:
    change, report = ATTACKS[attack]
    hostile = rewritten(program, lambda files: change(files, trap[1]))
    with pytest.raises(InputError, match=report):
        read(hostile, tmp_path)


def test_a_file_that_is_not_an_archive_is_refused(
    trap: tuple[bytes, bytes], tmp_path: Path
) -> None:
    for data in (trap[0], b"", trap[1]):
        with pytest.raises(InputError) as caught:
            read(data, tmp_path)
        assert caught.value.reason == "ArtifactInvalid"


def test_torchscript_does_not_run_a_foreign_pickle(
    trained: Any, trap: tuple[bytes, bytes], tmp_path: Path
) -> None:
    graph = triton.model_path(trained.staged).read_bytes()
    planted = rewritten(graph, lambda files: files.update({"data.pkl": trap[0]}))
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

"""Archives of torch.export that ask for more than tensors; for unit and integration tests."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

#: By name without the root of the archive.
Files = dict[str, bytes]


def rewritten(archive: bytes, change: Callable[[Files], None]) -> bytes:
    """The archive with other files; their names are without the root."""
    with zipfile.ZipFile(io.BytesIO(archive)) as old:
        root = old.namelist()[0].partition("/")[0]
        files = {name.partition("/")[2]: old.read(name) for name in old.namelist()}
    change(files)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as new:
        for name, data in files.items():
            new.writestr(f"{root}/{name}", data)
    return buffer.getvalue()


def edit(files: Files, name: str, change: Callable[[Any], None]) -> None:
    content = json.loads(files[name])
    change(content)
    files[name] = json.dumps(content).encode()


WEIGHTS = "data/weights/model_weights_config.json"
MODEL = "models/model.json"


def _pickled_weight(files: Files, saved: bytes) -> None:
    def mark(content: Any) -> None:
        first = next(iter(content["config"].values()))
        first["use_pickle"] = True
        files[f"data/weights/{first['path_name']}"] = saved

    edit(files, WEIGHTS, mark)


def _call(files: Files, target: str) -> None:
    def name(content: Any) -> None:
        content["graph_module"]["graph"]["nodes"][0]["target"] = target

    edit(files, MODEL, name)


def _size(files: Files, _: bytes) -> None:
    mark = b'"expr_str": "'
    assert mark in files[MODEL]
    files[MODEL] = files[MODEL].replace(mark, mark + b"print() or ", 1)


ATTACKS: dict[str, tuple[Callable[[Files, bytes], Any], str]] = {
    "a weight as a pickle": (_pickled_weight, "names a pickle"),
    "weights of an earlier format": (
        lambda files, saved: files.update({"data/weights/model.pt": saved}), "holds"),
    "constants of an earlier format": (
        lambda files, saved: files.update({"data/constants/model.pt": saved}), "holds"),
    "an object as a constant": (
        lambda files, saved: files.update({"data/constants/custom_obj_0": saved}), "holds"),
    "example inputs": (
        lambda files, saved: files.update({"data/sample_inputs/model.pt": saved}),
        "example inputs"),
    "a compiled library": (
        lambda files, saved: files.update({"data/aotinductor/model/x.so": saved}), "holds"),
    "another function": (lambda files, _: _call(files, "torch.hub.load"), "calls 'torch.hub.load"),
    "a size that is code": (_size, "no arithmetic"),
    "no JSON": (lambda files, _: files.update({MODEL: b"{"}), "no JSON"),
}  # fmt: skip

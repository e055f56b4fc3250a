"""The graph as a torch.export archive, `model.pt2`: the successor of TorchScript.

It is all of `forward`, with any batch and session length; not `judge`. No server reads it here:
Triton's LibTorch backend takes TorchScript.

`torch.export.load` of torch 2.12 is not safe with files of others. It unpickles without
`weights_only` what an archive calls pickled (weights, constants, files of earlier formats, example
inputs that it failed to read safely), loads compiled libraries, looks up any function of `torch`
that a node names, and hands symbolic sizes to sympy, which evaluates them. So `load` takes a file
by its digest alone, and then only one that needs none of that.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recommender_training.artifact import triton
from recommender_training.common.durable_files import write_bytes
from recommender_training.common.errors import InputError
from recommender_training.export import parity
from recommender_training.export.build import ExportInputs
from recommender_training.export.comparison_requests import comparison_requests, request_batches
from recommender_training.export.torchscript import normalise

#: Of the traced request: any numbers but 0 and 1, which torch.export takes for constants.
_BATCH, _LENGTH = 3, 5
#: Longest session and largest batch that the exported program accepts.
MAX_BATCH, MAX_LENGTH = 4096, 4096
#: Requests at once of a program that holds the pages of a whole batch
#: (`export.item_pages`).
_PAGED_BATCH = 4

#: Files of an archive, below its root; anything else is refused.
_NAMES = re.compile(
    r"archive_format|archive_version|byteorder|\.data/(version|serialization_id|\.\w+)"
    r"|models/model\.json|data/sample_inputs/model\.pt"
    r"|data/weights/(model_weights_config\.json|weight_\d+)"
    r"|data/constants/(model_constants_config\.json|tensor_\d+)"
)
#: What a node may call: operations on tensors, and arithmetic of sizes.
_CALLS = re.compile(r"torch\.ops\.aten\.\w+\.\w+|_operator\.\w+|torch\.sym_\w+|math\.\w+")
#: What a symbolic size may be made of: variables, whole numbers, and sympy's arithmetic of them.
_SIZES = re.compile(
    r"(?:Symbol\('[su]\d+'(?:, (?:positive|nonnegative|integer)=True)*\)|Integer\(-?\d+\)"
    r"|(?:Add|Mul|Max|Min|Mod|FloorDiv|(?:Strict)?(?:GreaterThan|LessThan))\(|[), ]|\d)*"
)


def write(
    root: Path, graph: nn.Module, scripted: nn.Module, known: ExportInputs
) -> dict[str, Any]:
    """Write `model.pt2` beside the `model.pt` that serves, and hold the two against each other.

    `scripted` is what `graph` became in TorchScript. Returns the largest difference of a score;
    raises ParityError.
    """
    path = triton.model_path(root).with_suffix(".pt2")
    data = export_bytes(graph)
    write_bytes(path, data)
    program = load(path, hashlib.sha256(data).hexdigest())
    paged = known.sources.ivf is not None
    batches = list(
        request_batches(comparison_requests(known.data), _PAGED_BATCH if paged else MAX_BATCH)
    )
    worst = parity.between(program, scripted, batches)
    return {"requests": sum(len(inputs[0]) for inputs in batches), "maxDifference": worst}


def export_bytes(module: nn.Module) -> bytes:
    """The archive of an exported model with the signature of docs/contracts.md."""
    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
    length = torch.export.Dim("length", min=1, max=MAX_LENGTH)
    row, session = {0: batch}, {0: batch, 1: length}
    with torch.inference_mode(False), torch.no_grad():
        program = torch.export.export(
            module,
            _request(module),
            dynamic_shapes=(row, row, session, session, session, row, row),
            strict=False,
        )
    program.example_inputs = None  # the only pickle that an archive of plain tensors has
    for node in program.graph.nodes:
        for key in ("stack_trace", "from_node", "nn_module_stack"):  # paths of this machine
            node.meta.pop(key, None)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return normalise(buffer.getvalue())


def load(path: Path, sha256: str) -> nn.Module:
    """The program of an archive whose hex digest is `sha256`.

    Raises InputError `ArtifactInvalid` for another file, and for one that needs more than
    tensors and operations on them; nothing of it was run then.
    """
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise _invalid(f"{path} has the sha256 {found}, {sha256} is wanted")
    check(data, str(path))
    with warnings.catch_warnings():
        # The bytes of the file are read and never written to.
        warnings.filterwarnings("ignore", message="The given buffer is not writable")
        loaded: nn.Module = torch.export.load(io.BytesIO(data)).module()
    return loaded


def check(archive: bytes, name: str) -> None:
    """Raise InputError `ArtifactInvalid` for an archive that is more than tensors and ATen."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            files = {each.partition("/")[2]: each for each in opened.namelist()}
            texts = {key: opened.read(full) for key, full in files.items()}
    except (zipfile.BadZipFile, KeyError, ValueError, RuntimeError) as error:
        raise _invalid(f"{name} is not an archive of torch.export: {error}") from error
    for key in texts:
        if not _NAMES.fullmatch(key):
            raise _invalid(f"{name} holds {key!r}, which a model of this package has not")
    if texts.get("data/sample_inputs/model.pt"):
        raise _invalid(f"{name} holds example inputs, which are a pickle")
    for key in [key for key in texts if key.endswith(".json")]:
        try:
            parts = list(_parts(json.loads(texts[key])))
        except ValueError as error:
            raise _invalid(f"{name}: {key} is no JSON: {error}") from error
        for part in parts:
            _check_part(part, f"{name}: {key}")


def _check_part(part: dict[str, Any], place: str) -> None:
    if part.get("use_pickle"):
        raise _invalid(f"{place} names a pickle, {part.get('path_name')!r}")
    target = part.get("target") if "inputs" in part else None
    if target is not None and not _CALLS.fullmatch(str(target)):
        raise _invalid(f"{place} calls {target!r}, which is no operation on tensors")
    size = part.get("expr_str", "")
    if not _SIZES.fullmatch(str(size)):
        raise _invalid(f"{place} has the size {size!r}, which is no arithmetic of sizes")


def _parts(node: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON document."""
    if isinstance(node, dict):
        yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from _parts(child)


def _request(module: nn.Module) -> tuple[Tensor, ...]:
    """A request to trace: its values matter to nothing, its shapes to nothing either.

    Each input is a tensor of its own: torch.export takes one that is given twice for one input.
    """

    def ones(width: int, dtype: torch.dtype = torch.int64) -> Tensor:
        return torch.ones(_BATCH, width, dtype=dtype)

    session = (ones(_LENGTH), ones(_LENGTH), ones(_LENGTH, torch.float32))
    features = max(1, module.get_buffer("side_served").numel())
    return ones(1), ones(features, torch.float32), *session, 2 * ones(1), ones(1)


def _invalid(message: str) -> InputError:
    return InputError("ArtifactInvalid", message)

"""Compile to TorchScript, whose bytes depend on the module alone."""

from __future__ import annotations

import io
import shutil
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import IO

import torch
from torch import nn

from recommender_training.common.durable_files import new_file

#: Earliest time that a zip archive can hold.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
#: PyTorch names the folder in an archive by its file; this is the name in memory.
_ROOT = "archive"
_CHUNK = 1 << 20


def save(module: nn.Module, path: Path) -> None:
    """Compile `module` and write it, flushed to the disk.

    By way of a file beside it: in memory, a large graph would be held several times.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        raw = Path(folder) / f"{_ROOT}.pt"
        _save(module, str(raw))
        with new_file(path) as stream:
            _rewrite(raw, stream)


def archive(module: nn.Module) -> bytes:
    """What `save` writes."""
    return normalise(compile_bytes(module))


def compile_bytes(module: nn.Module) -> bytes:
    """The module as a TorchScript archive."""
    buffer = io.BytesIO()
    _save(module, buffer)
    return buffer.getvalue()


def _save(module: nn.Module, target: str | io.BytesIO) -> None:
    with warnings.catch_warnings():
        # Triton's LibTorch backend reads TorchScript and nothing newer in production, so its
        # deprecation is known and accepted here; any other warning still counts.
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated")
        torch.jit.save(torch.jit.script(module), target)


def normalise(archive: bytes) -> bytes:
    """The same archive in canonical form.

    Source positions go: they hold the paths of the machine that exported. So do the times and
    the id of the serialisation.
    """
    buffer = io.BytesIO()
    _rewrite(io.BytesIO(archive), buffer)
    return buffer.getvalue()


def _rewrite(source: Path | io.BytesIO, target: IO[bytes]) -> None:
    """Write an archive in canonical form, a part of a file at a time."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in sorted(old.namelist()):
            if name.endswith((".debug_pkl", "/.data/serialization_id")):
                continue
            entry = zipfile.ZipInfo(name, _NO_TIME)
            entry.file_size = old.getinfo(name).file_size  # tells whether it needs ZIP64
            with old.open(name) as one, new.open(entry, "w") as other:
                shutil.copyfileobj(one, other, _CHUNK)


def load(path: Path) -> torch.jit.ScriptModule:
    """Load an exported model. Its pickles are read by TorchScript's own reader, which makes
    tensors, numbers and types of the archive's own code, and calls nothing.
    """
    return _load(str(path))


def loaded(data: bytes) -> torch.jit.ScriptModule:
    """The model of an archive in memory."""
    return _load(io.BytesIO(data))


def _load(source: str | io.BytesIO) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated")
        module: torch.jit.ScriptModule = torch.jit.load(source)  # type: ignore[no-untyped-call]
    return module

"""Compile to TorchScript, whose bytes depend on the module alone."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import torch
from torch import nn

from recommender_training.common.durable_files import write_bytes

#: Earliest time that a zip archive can hold.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def save(module: nn.Module, path: Path) -> None:
    """Compile `module` and write it, flushed to the disk."""
    write_bytes(path, archive(module))


def archive(module: nn.Module) -> bytes:
    """What `save` writes."""
    return normalise(compile_bytes(module))


def compile_bytes(module: nn.Module) -> bytes:
    """The module as a TorchScript archive."""
    with warnings.catch_warnings():
        # Triton's LibTorch backend reads TorchScript and nothing newer in production, so its
        # deprecation is known and accepted here; any other warning still counts.
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated")
        scripted = torch.jit.script(module)
        buffer = io.BytesIO()
        torch.jit.save(scripted, buffer)
    return buffer.getvalue()


def normalise(archive: bytes) -> bytes:
    """The same archive in canonical form.

    Source positions go: they hold the paths of the machine that exported. So do the times and
    the id of the serialisation.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in sorted(old.namelist()):
            if name.endswith((".debug_pkl", "/.data/serialization_id")):
                continue
            new.writestr(zipfile.ZipInfo(name, _NO_TIME), old.read(name))
    return buffer.getvalue()


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

"""Compile to TorchScript, whose bytes depend on the module alone."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import torch
from torch import Tensor, nn

from recommender_training.common.durable_files import new_file


def own_storage(value: Tensor) -> Tensor:
    """The same values without a gradient, and without what else their storage holds.

    An archive has the whole storage of a tensor, also that of a part of a table. A tensor that is
    all of its storage stays where it is: with a million items a copy is 128 MB.
    """
    found = value.detach()
    return found if found.untyped_storage().nbytes() == found.nbytes else found.clone()


#: Earliest time that a zip archive can hold.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
#: PyTorch names the folder in an archive by its file; this is the name in memory.
_ROOT = "archive"
_CHUNK = 1 << 20
#: Bytes of an archive besides its tensors at most: code, where it is from, and the directory.
_CODE = 4 << 20


def save(module: nn.Module, path: Path) -> None:
    """Compile `module` and write it, flushed to the disk.

    By way of a file beside it: in memory, a large graph would be held several times. Raises
    OSError, such as for a full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        raw = Path(folder) / f"{_ROOT}.pt"
        _save_where_it_fits(module, raw)
        with new_file(path) as stream:
            _rewrite(raw, stream)


def _save_where_it_fits(module: nn.Module, path: Path) -> None:
    """Write the archive if the disk has room for it, else raise OSError.

    PyTorch's writer ends the process (std::terminate) at most writes that fail. It takes no other
    target that holds no copy in memory: to a pipe it cannot write empty tensors.
    """
    size = _CODE + sum(each.untyped_storage().nbytes() for each in _tensors(module))
    _check_room(path, size)
    try:
        _save(module, str(path))
    except RuntimeError as error:
        try:
            _check_room(path, size)
        except OSError as full:
            raise full from error
        raise


def _tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _check_room(path: Path, size: int) -> None:
    """Raise OSError if no file of so many bytes can be here; the quota and limits count too."""
    probe = path.with_name("probe")
    try:
        with probe.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, size)
    finally:
        probe.unlink(missing_ok=True)


def archive(module: nn.Module) -> bytes:
    """The bytes that `save` writes."""
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


@contextmanager
def as_served() -> Iterator[None]:
    """Call graphs as config.pbtxt has them called: as they are, and without gradients.

    The executor would compile each method of a graph for each new shape, for seconds, and answers
    would depend in their last bits on what was asked before.
    """
    with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        yield


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

"""Checkpoints: where each fit of a training was, so that the same command resumes there.

A file holds tensors, numbers and texts alone and is loaded as such, never as a program. It is
named by a digest of all that the weights depend on, and used only if its content states the same.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from recommender_training.common.durable_files import canonical_json, fsync_folder, write_bytes
from recommender_training.common.progress import say

#: Tensors, numbers, texts, and lists and dicts of these.
State = dict[str, Any]

_SUFFIX, _PARTIAL = ".checkpoint", ".partial"
_DAMAGED = (OSError, RuntimeError, EOFError, UnpicklingError, ValueError, KeyError)


class Checkpoints:
    """Those of one training, in a folder that others may share, or in one of its `own`."""

    def __init__(self, folder: Path, facts: dict[str, Any], *, own: bool = False) -> None:
        """`facts` is all that the weights depend on, as JSON.

        What else is in a folder of its own was left by a run of other code, threads or champion:
        nobody resumes from it, and it is removed.
        """
        self.folder, self.facts = folder, facts
        self._name = hashlib.sha256(canonical_json(facts)).hexdigest()[:16]
        self._told: set[str] = set()
        others = [p for p in folder.glob(f"*{_SUFFIX}") if not p.name.startswith(self._name)]
        if others:
            fate = "removed" if own else "left alone"
            say(
                f"checkpoint: {len(others)} in {folder} are of other data, configuration or code "
                f"and are {fate}"
            )
        if own:
            self._remove_others()

    def slot(self, fit: str) -> Slot:
        """The checkpoint of the fit of this name."""
        return Slot(self, self.folder / f"{self._name}-{fit}{_SUFFIX}")

    def forget(self) -> None:
        """Remove them: the artifact has what is to be kept, or nothing is to be gone on with."""
        with contextlib.suppress(OSError):
            for path in self.folder.glob(f"{self._name}-*"):
                path.unlink(missing_ok=True)
            self.folder.rmdir()  # refused while others have theirs there

    def _remove_others(self) -> None:
        with contextlib.suppress(OSError):
            for path in [*self.folder.glob(f"*{_SUFFIX}"), *self.folder.glob(f"*{_PARTIAL}")]:
                if not path.name.startswith(self._name):
                    path.unlink(missing_ok=True)

    def failed(self, error: OSError) -> None:
        """Say once for each kind of failure that there is no new checkpoint."""
        kind = errno.errorcode.get(error.errno or 0, type(error).__name__)
        if kind not in self._told:
            self._told.add(kind)
            say(
                f"checkpoint: cannot be written to {self.folder} ({kind}: {error.strerror}); the "
                "training goes on; after a restart it resumes from the last one written"
            )


class Slot:
    """The checkpoint of one fit; the last state that was written whole is the one that is read."""

    def __init__(self, owner: Checkpoints, path: Path) -> None:
        self._owner, self.path = owner, path

    def save(self, state: State) -> None:
        """Write beside, flush, rename. A disk that is full, or gone, ends no training."""
        buffer = io.BytesIO()
        torch.save({"facts": self._owner.facts, "state": state}, buffer)
        partial = self.path.with_suffix(_PARTIAL)
        try:
            write_bytes(partial, buffer.getbuffer())
            os.replace(partial, self.path)
            fsync_folder(self.path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            self._owner.failed(error)

    def load(self) -> State | None:
        """The state to resume from, or None; logs one that is damaged or of another training."""
        if not self.path.exists():
            return None
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            facts, state = content["facts"], dict(content["state"])
        except _DAMAGED as error:
            say(f"checkpoint: {self.path} is damaged and ignored ({type(error).__name__})")
            return None
        differing = sorted(
            name
            for name in {*facts, *self._owner.facts}
            if facts.get(name) != self._owner.facts.get(name)
        )
        if differing:
            say(f"checkpoint: {self.path} has another {', '.join(differing)} and is ignored")
            return None
        return state

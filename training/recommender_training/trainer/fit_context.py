"""Process group, checkpoints and warm start of a training."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from recommender_training.common.code_version import code_version
from recommender_training.common.errors import InputError
from recommender_training.config.training import TrainingConfig
from recommender_training.distributed import group as groups
from recommender_training.distributed.group import Group
from recommender_training.trainer.checkpoints import Checkpoints, Slot
from recommender_training.trainer.initial_weights import WarmStart

#: Sections that the fits do not depend on, once the search has chosen.
_OUTSIDE = {"search"}


@dataclass(frozen=True)
class FitContext:
    """Group, checkpoints and warm start of the fits; by default one process and no checkpoints.

    The ranker starts from fresh weights, or from those of `start`.
    """

    group: Group = field(default_factory=lambda: groups.ONE_PROCESS)
    checkpoints: Checkpoints | None = None
    start: WarmStart | None = None

    def slot(self, fit: str) -> Slot | None:
        """Where the fit of this name is kept."""
        return self.checkpoints.slot(fit) if self.checkpoints is not None else None

    def forget(self) -> None:
        """Delete the checkpoints: training finished."""
        if self.checkpoints is not None:
            self.checkpoints.forget()

    @contextlib.contextmanager
    def ending_at_input_errors(self) -> Iterator[None]:
        """Delete the checkpoints of a fit that fails the same way when it is repeated."""
        try:
            yield
        except InputError:
            self.forget()
            raise


DEFAULT_CONTEXT = FitContext()


@dataclass(frozen=True)
class Identity:
    """The data and settings of a training: a checkpoint of another one is never resumed.

    The number of processes does not belong to it: a restarted group may be of another size.
    """

    config: TrainingConfig
    data_version: str
    window_days: int | None
    threads: int

    def facts(self, start: WarmStart | None) -> dict[str, object]:
        """All that the weights of a fit depend on."""
        return {
            "config": self.config.model_dump(mode="json", by_alias=True, exclude=_OUTSIDE),
            "dataVersion": self.data_version,
            "windowDays": self.window_days,
            "threads": self.threads,
            "warmStart": None if start is None else start.digest,
            "device": "cuda" if torch.cuda.is_available() else "cpu",
            "codeVersion": code_version(),
            "torch": str(torch.__version__),  # its own class would be refused when it is loaded
            "python": platform.python_version(),
        }


def with_checkpoints(
    folder: Path,
    group: Group,
    identity: Identity,
    start: WarmStart | None = None,
    *,
    own: bool = False,
) -> FitContext:
    """A context with checkpoints in `folder`, which only the first process opens.

    In a folder of its `own`, checkpoints that the training does not resume are removed.
    """
    if not group.first:
        return FitContext(group, start=start)
    return FitContext(group, Checkpoints(folder, identity.facts(start), own=own), start)

"""With whom the fits of a training are done, where they are kept, and what they start from."""

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
    """What the fits of a training share; by default one process does them, and keeps nothing.

    The ranker begins with fresh weights, or with those of `start`.
    """

    group: Group = field(default_factory=lambda: groups.ONE_PROCESS)
    checkpoints: Checkpoints | None = None
    start: WarmStart | None = None

    def slot(self, fit: str) -> Slot | None:
        """Where the fit of this name is kept."""
        return self.checkpoints.slot(fit) if self.checkpoints is not None else None

    def forget(self) -> None:
        """Remove the checkpoints: they have served."""
        if self.checkpoints is not None:
            self.checkpoints.forget()

    @contextlib.contextmanager
    def ending_at_input_errors(self) -> Iterator[None]:
        """Forget the checkpoints of a fit that no repetition brings further."""
        try:
            yield
        except InputError:
            self.forget()
            raise


DEFAULT_CONTEXT = FitContext()


def with_checkpoints(
    folder: Path,
    group: Group,
    config: TrainingConfig,
    data_version: str,
    window_days: int | None,
    threads: int,
    start: WarmStart | None = None,
    *,
    own: bool = False,
) -> FitContext:
    """A context with checkpoints in `folder`, which the first process alone opens.

    In a folder of its `own`, those that the training does not go on from are removed.

    The number of processes is none of the facts: a restarted group may be of another size.
    """
    if not group.first:
        return FitContext(group, start=start)
    facts = {
        "config": config.model_dump(mode="json", by_alias=True, exclude=_OUTSIDE),
        "dataVersion": data_version,
        "windowDays": window_days,
        "threads": threads,
        "warmStart": None if start is None else start.digest,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "codeVersion": code_version(),
        "torch": str(torch.__version__),  # its own class would be refused when it is loaded
        "python": platform.python_version(),
    }
    return FitContext(group, Checkpoints(folder, facts, own=own), start)

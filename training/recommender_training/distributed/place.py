"""The place of this process among its peers, as torchrun tells it in the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recommender_training.common.errors import InputError

#: How long a peer may give no sign of life.
TIMEOUT = "RECOMMENDER_PEER_TIMEOUT_SECONDS"
_DEFAULT_SECONDS = 1800


@dataclass(frozen=True)
class Place:
    """Which of how many processes this is, and how long it waits for the others."""

    rank: int
    size: int
    local_rank: int
    seconds: int


def find(environment: Mapping[str, str]) -> Place | None:
    """The place, or None for a process alone. Raises InputError `InvalidEnvironment`."""
    size = _number(environment, "WORLD_SIZE", "1", least=1)
    if size == 1:
        return None
    missing = [n for n in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not environment.get(n)]
    if missing:
        raise _invalid(f"WORLD_SIZE={size} needs {', '.join(missing)}, too")
    rank = _number(environment, "RANK", "0", least=0)
    if rank >= size:
        raise _invalid(f"RANK={rank} has to be below WORLD_SIZE={size}")
    local_rank = _number(environment, "LOCAL_RANK", str(rank), least=0)
    return Place(rank, size, local_rank, _number(environment, TIMEOUT, str(_DEFAULT_SECONDS), 1))


def _number(environment: Mapping[str, str], name: str, default: str, least: int) -> int:
    text = environment.get(name) or default
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise _invalid(f"{name}={text!r} has to be a whole number from {least}")
    return int(text)


def _invalid(message: str) -> InputError:
    return InputError(
        "InvalidEnvironment", f"{message}: start several processes with torchrun, which sets them"
    )

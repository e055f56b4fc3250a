"""Rank and size of the group from the environment that torchrun sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recommender_training.common.errors import InputError

#: Seconds without a heartbeat after which a peer counts as lost.
TIMEOUT = "RECOMMENDER_PEER_TIMEOUT_SECONDS"
_DEFAULT_SECONDS = 1800


@dataclass(frozen=True)
class Rank:
    """Rank of this process, size of the group, and timeout in seconds."""

    rank: int
    size: int
    local_rank: int
    seconds: int


def rank_from_environment(environment: Mapping[str, str]) -> Rank | None:
    """Return the place, or None for a single process. Raises InputError `InvalidEnvironment`."""
    size = _number(environment, "WORLD_SIZE", "1", least=1)
    if size == 1:
        return None
    missing = [n for n in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not environment.get(n)]
    if missing:
        raise _invalid(f"WORLD_SIZE={size} needs {', '.join(missing)}")
    rank = _number(environment, "RANK", "0", least=0)
    if rank >= size:
        raise _invalid(f"RANK={rank} must be below WORLD_SIZE={size}")
    local_rank = _number(environment, "LOCAL_RANK", str(rank), least=0)
    return Rank(rank, size, local_rank, _number(environment, TIMEOUT, str(_DEFAULT_SECONDS), 1))


def _number(environment: Mapping[str, str], name: str, default: str, least: int) -> int:
    text = environment.get(name) or default
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise _invalid(f"{name}={text!r} must be a whole number of at least {least}")
    return int(text)


def _invalid(message: str) -> InputError:
    return InputError(
        "InvalidEnvironment", f"{message}: start several processes with torchrun, which sets them"
    )

"""Progress of the erasures of each model, which the admin port shows.

    {<model>}:erasures   a hash: "report" -> JSON; "rewritten" -> milliseconds since 1970

The report has no user. All times are milliseconds since 1970, by the clock of the writer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import orjson
from redis.asyncio import Redis

REPORT, REWRITTEN = "report", "rewritten"


@dataclass(frozen=True, slots=True)
class Report:
    """How far the erasures of a model are."""

    through: int  # all erasures of the log up to this time count in the others
    users: int = 0  # to erase from the files
    files: int | None = None  # time of the oldest erasure that has not ended there
    lake: int | None = None  # of the oldest that a lake has not applied
    listed: int | None = None  # when the newest was listed for the lakes
    ended: int | None = None  # when all had ended in the files


def in_aof(report: Report, rewritten: int) -> int | None:
    """Return since when the append-only file may have users that the files have not."""
    has = report.ended is not None and not report.users and report.ended > rewritten
    return report.ended if has else None


class ErasureStore:
    """Keeps the reports, and when the append-only file was rewritten last."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, model: str, report: Report) -> int:
        """Keep a report; return the time of the last rewrite or 0.

        Raises:
            RedisError, OSError: the store does not answer, or is full.
        """
        content = orjson.dumps(asdict(report))
        await self._redis.hset(_key(model), REPORT, content)  # type: ignore[misc,arg-type]
        return int(await self._redis.hget(_key(model), REWRITTEN) or 0)  # type: ignore[misc]

    async def read(self, model: str) -> tuple[Report | None, int]:
        """Return the report, None without a valid one, and the time of the last rewrite or 0.

        Raises:
            RedisError, OSError: the store does not answer.
        """
        found, at = await self._redis.hmget(_key(model), [REPORT, REWRITTEN])  # type: ignore[misc]
        return _report_of(found), int(at or 0)

    async def rewritten(self, models: Iterable[str], at: int) -> None:
        """Keep that a rewrite of the append-only file began at a time.

        Raises:
            RedisError, OSError: the store does not answer, or is full.
        """
        for model in models:
            await self._redis.hset(_key(model), REWRITTEN, str(at))  # type: ignore[misc]


def _key(model: str) -> str:
    return f"{{{model}}}:erasures"


def _report_of(content: bytes | None) -> Report | None:
    try:
        return Report(**orjson.loads(content)) if content else None
    except (ValueError, TypeError):  # of another release
        return None

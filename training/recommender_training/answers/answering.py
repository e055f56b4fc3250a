"""Answer many requests in threads, in their order."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from recommender_training.answers.answer_files import Line
from recommender_training.answers.offline_version import Answer, OfflineVersion
from recommender_training.answers.requests import Asked, BadRequestError, RequestReader
from recommender_training.common.progress import say

#: Requests of a part. Its bounds decide which requests a graph answers at once, and with it the
#: last bits of scores: they must not depend on the number of workers.
PART = 256
_SECONDS = 10.0

_Given = TypeVar("_Given")


@dataclass
class Tally:
    """Counts answers as they pass, and says so now and then."""

    answers: int = 0
    errors: int = 0
    first_error: str = ""

    def over(self, parts: Iterable[Sequence[Answer]]) -> Iterator[Sequence[Answer]]:
        """Yield the same parts."""
        due = time.monotonic() + _SECONDS
        for part in parts:
            self.answers += len(part)
            for answer in part:
                if "error" in answer:
                    self.errors += 1
                    self.first_error = self.first_error or str(answer["error"])
            if time.monotonic() >= due:
                say(f"recommend: {self.answers} requests, {self.errors} of them bad")
                due = time.monotonic() + _SECONDS
            yield part


def answer_lines(
    version: OfflineVersion, reader: RequestReader, lines: Sequence[Line]
) -> list[Answer]:
    """The answers to the lines of a part, in their order: for a bad one its `error`."""
    found: list[Answer] = []
    asked: list[Asked] = []
    for number, body in lines:
        try:
            asked.append(reader.read(body))
        except BadRequestError as error:
            found.append({"line": number, "error": f"line {number}: {error}"})
        else:
            found.append({"line": number})
    places = (answer for answer in found if "error" not in answer)
    for place, answer in zip(places, answer_requests(version, asked), strict=True):
        place.update(answer)
    return found


def answer_requests(version: OfflineVersion, asked: Sequence[Asked]) -> list[Answer]:
    """The answers to the requests of a part, each with its user if it names one."""
    users = ({} if each.user is None else {"user_id": each.user} for each in asked)
    return [{**user, **own} for user, own in zip(users, version.answers(asked), strict=True)]


def in_parts(
    work: Callable[[Sequence[_Given]], list[Answer]], given: Iterable[_Given], workers: int
) -> Iterator[list[Answer]]:
    """Yield the answers to each part of what is given, in its order; a few parts are in memory.

    The graphs let go of the interpreter, so threads compute at the same time.
    """
    rest, waiting = iter(given), deque[Future[list[Answer]]]()
    with ThreadPoolExecutor(workers) as pool:
        while part := list(itertools.islice(rest, PART)):
            waiting.append(pool.submit(work, part))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

"""Read the bodies of requests within bounds: size, time, and memory of all together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from recommender_runtime.connections import Refusal
from recommender_serving.protocols.errors import Busy, TooLarge, TooSlow

MIB = 2**20


@dataclass(slots=True)
class Bodies:
    """Reads bodies; those that are being read hold at most `budget` bytes together.

    A body leaves the budget as soon as it is read, because it is parsed at once and then dropped.
    """

    max_bytes: int = 4 * MIB
    seconds: float = 10.0  # from the end of the headers to the end of the body
    budget: int = 32 * MIB
    refused: Callable[[Refusal], None] = lambda _: None
    held: int = 0

    async def read(self, receive: Receive) -> bytes:
        """Return the whole body of one HTTP request.

        Raises:
            TooLarge: it has more than `max_bytes`.
            TooSlow: it is not complete after `seconds`.
            Busy: the bodies that are being read fill the budget.
            ClientDisconnect: the client has left.
        """
        mine = 0
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self.seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    part = message.get("body", b"")
                    more = message.get("more_body", False)
                    parts.append(part)
                    mine += len(part)
                    self.held += len(part)
                    self._check(mine)
        except TimeoutError:
            self.refused(Refusal.SLOW)
            raise TooSlow(
                f"the body is not complete after {self.seconds:g} s: send it at once"
            ) from None
        finally:
            self.held -= mine
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _check(self, size: int) -> None:
        if size > self.max_bytes:
            raise TooLarge(f"the body has more than {self.max_bytes} bytes: send a smaller one")
        if self.held > self.budget:
            self.refused(Refusal.BODIES)
            raise Busy("too many large bodies at the moment: try again in a second")

"""A connection to Redis that one sender keeps, so that a command costs little besides itself.

For each command, `Redis` takes a connection from its pool, looks whether the other side has closed
it, writes in a task with a time limit, reads under a second one, and reports to telemetry that is
off. That is more CPU time than all else of an append of 100 events. What is kept here needs one
look after a pause and one time limit. Handshake, TLS, protocol and parser are the client's.
"""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.typing import EncodableT

#: After a pause of this length the other side may have closed the connection unnoticed.
PAUSE_SECONDS = 1.0


class HeldConnection:
    """Sends one command at a time, on a connection of the pool that it does not give back.

    The pool closes it with its others. The time limit of a command is the pool's `socket_timeout`,
    which here includes the time to connect.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._seconds: float | None = pool.connection_kwargs.get("socket_timeout")
        self._turn = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        self._sure_until = 0.0  # time of the loop

    async def call(self, *words: EncodableT) -> Any:
        """Send a command and return its reply.

        After any error but a reply of the store, the next command has a new connection, so no
        command gets the reply of another.

        Raises:
            RedisError, OSError: see `redis.exceptions`; TimeoutError is an OSError.
        """
        async with self._turn, asyncio.timeout(self._seconds):
            connection = await self._open()
            await connection.send_packed_command(
                connection.pack_command(*words), check_health=False
            )
            reply = await connection.read_response()
            self._sure_until = asyncio.get_running_loop().time() + PAUSE_SECONDS
            return reply

    async def _open(self) -> AbstractConnection:
        if self._connection is None:
            self._connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
            self._connection.socket_timeout = None  # `call` has its own
        elif (
            not self._connection.is_connected
            or asyncio.get_running_loop().time() > self._sure_until
        ):
            await self._pool.ensure_connection(self._connection)
        return self._connection

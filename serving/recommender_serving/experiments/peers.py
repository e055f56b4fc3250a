"""The other versions of a model, by name, with what is known of each."""

from __future__ import annotations

import asyncio
import collections
from dataclasses import dataclass

from recommender_serving.experiments.http_peer import HttpPeer
from recommender_serving.inference.channels import Channels
from recommender_serving.ranking.circuit_breaker import CircuitBreaker

#: Versions that are kept; a header has at most so many.
MOST_PEERS = 8


@dataclass(frozen=True, slots=True)
class Addresses:
    """HOST:PORT of REST and gRPC, with `{version}` for the name of a version.

    The default is its Service in the own namespace, by which a name without dots is completed: so
    no header can lead anywhere else.
    """

    rest: str = "{version}-transformer:80"
    rpc: str = "{version}-transformer:8081"


class Peer:
    """One other version; connections are opened when they are needed."""

    def __init__(self, version: str, addresses: Addresses, limit: int) -> None:
        host, _, port = addresses.rest.format(version=version).rpartition(":")
        self.version = version
        self.rest = HttpPeer(host, int(port))
        self.breaker = CircuitBreaker(limit)
        self._rpc_address = addresses.rpc.format(version=version)
        self._channels: Channels | None = None

    @property
    def rpc(self) -> Channels:
        """The channels of gRPC."""
        if self._channels is None:
            self._channels = Channels(self._rpc_address)
        return self._channels

    async def close(self) -> None:
        """Close the connections."""
        await self.rest.close()
        if self._channels is not None:
            await self._channels.close()


class Peers:
    """The versions that were asked last. Use it in one event loop."""

    def __init__(self, addresses: Addresses, limit: int) -> None:
        """Keep the addresses; at most `limit` calls of each version are in flight."""
        self._addresses = addresses
        self._limit = limit
        self._peers: collections.OrderedDict[str, Peer] = collections.OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def peer(self, version: str) -> Peer:
        """Return a version."""
        peer = self._peers.get(version)
        if peer is None:
            peer = self._peers[version] = Peer(version, self._addresses, self._limit)
            if len(self._peers) > MOST_PEERS:
                self._drop(next(iter(self._peers)))
        self._peers.move_to_end(version)
        return peer

    def _drop(self, version: str) -> None:
        task = asyncio.create_task(self._peers.pop(version).close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all connections."""
        for version in list(self._peers):
            self._drop(version)
        await asyncio.gather(*self._closing)

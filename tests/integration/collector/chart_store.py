"""The store that the chart installs, with its arguments and the users of its init container."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from recommender_collector.__main__ import main
from recommender_collector.store.aof_rewrite import Rewriting
from recommender_collector.store.eviction import Room
from recommender_contract.online_store import Set
from recommender_runtime.redis_access import Access
from tests.chart_collector import SHOP, container, manifests, named
from tests.cluster.pki import Authority
from tests.redis_server import RedisServer

VALUES: dict[str, Any] = {"enabled": True, "models": {"shop": SHOP, "news": SHOP}}
#: Beside those of the chart: of the tests alone, who see what was refused.
ADMIN = "user tests on >a-password-of-tests ~* &* +@all"


class ChartStore:
    """A real Redis as the chart runs it, below a folder."""

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        self._folder = folder
        self.passwords = folder / "passwords"
        self.passwords.mkdir()
        store = {"tls": {"secretName": "store-tls"}} if tls else {}
        self._found = manifests({**VALUES, "store": store})
        self.authorities = self._certificates() if tls else None
        secret = named(self._found, "Secret", "store")
        for name, text in secret["data"].items():
            (self.passwords / name).write_bytes(base64.b64decode(text))
        self.write_users()
        self.server = RedisServer(folder, *self._arguments(), authorities=self.authorities)

    def _certificates(self) -> Path:
        authority = Authority(self._folder / "pki")
        authority.prepare()
        authority.issue("tls", "store", hosts=["localhost"])
        return authority.certificate

    def write_users(self) -> None:
        """Run the init container, which makes the users of the passwords."""
        declaration = named(self._found, "ConfigMap", "collector")["data"]["collector.json"]
        (self._folder / "collector.json").write_text(declaration)
        spec = named(self._found, "StatefulSet", "store")["spec"]["template"]["spec"]
        (init,) = spec["initContainers"]
        assert init["command"] == ["recommender-collector", "users"]
        assert main(["users", *map(self._own, init["args"])]) == 0
        with (self._folder / "users.acl").open("a") as out:
            out.write(f"{ADMIN}\n")

    def _own(self, argument: str) -> str:
        """Return an argument with the paths of this machine."""
        for theirs, own in (
            ("/etc/recommender-store", self.passwords),
            ("/etc/recommender", self._folder),
            ("/users", self._folder),
            ("/etc/store-tls", self._folder / "pki"),
        ):
            argument = argument.replace(f"{theirs}/", f"{own}/")
            argument = str(own) if argument == theirs else argument
            if argument.endswith(f"={theirs}"):
                argument = argument.replace(theirs, str(own))
        return argument

    def _arguments(self) -> list[str]:
        arguments = list(container(named(self._found, "StatefulSet", "store"))["args"])
        for name in ("--dir", "--port", "--tls-port"):  # the rig has its own
            if name in arguments:
                at = arguments.index(name)
                del arguments[at : at + 2]
        return [self._own(each) for each in arguments]

    def access(self, user: str) -> Access:
        """Return how a part with this role connects."""
        return Access(self.server.url, user, self.passwords / user, self.authorities)

    def client(self, user: str) -> Redis:
        """Return a client as this user."""
        found = self.access(user)
        client: Redis = Redis.from_url(found.url, **found.options)
        return client

    def admin(self) -> Redis:
        """Return a client that may do everything."""
        options = {**self.access("probe").options}
        options.pop("credential_provider")
        client: Redis = Redis.from_url(
            self.server.url, username="tests", password="a-password-of-tests", **options
        )
        return client


async def care(redis: Redis, ages: Mapping[str, int]) -> None:
    """What the writer does for the memory and the file of the store."""
    room = Room(redis, ages)
    assert await room._stretch(Set.SEEN) == (1, 1)
    assert await room._log() > 0
    seconds = iter((0.0, 61.0))
    rewriting = Rewriting(redis, lambda: next(seconds))
    rewriting.want()
    assert await rewriting.step()

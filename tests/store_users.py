"""The users of the store in tests: made by the command that the chart runs, with its rights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from recommender_collector.__main__ import main
from recommender_collector.store.redis_acl import Role, reader

PASSWORD = "a-password-of-{}-in-tests"
#: A user of the tests alone, who may do everything.
TESTS = "tests:a-password-of-tests@"
#: By the name of a command.
ROLES = {"serve": Role.COLLECTOR, "write": Role.WRITER}


def options(folder: Path, models: Iterable[str] = ("shop",)) -> tuple[str, ...]:
    """Write passwords and users of the models that `collector.json` declares; return options.

    They are those of redis-server.
    """
    passwords, users = folder / "passwords", folder / "users.acl"
    passwords.mkdir()
    for name in (*Role, *map(reader, models)):
        (passwords / name).write_text(PASSWORD.format(name))
    assert main([
        "users", "--declaration", str(folder / "collector.json"),
        "--passwords", str(passwords), "--output", str(users),
    ]) == 0  # fmt: skip
    user, password = TESTS.removesuffix("@").split(":")
    with users.open("a") as out:
        out.write(f"user {user} on >{password} ~* &* +@all\n")
    return "--aclfile", str(users)


def environ_of(url: str, name: str, folder: Path) -> dict[str, str]:
    """Return the variables of a command, as its role if the URL is that of a store with users."""
    if urlsplit(url).username is None:
        return {"RECOMMENDER_STORE_URL": url}
    return as_user(url, ROLES[name], folder)


def as_user(url: str, user: str, folder: Path) -> dict[str, str]:
    """Return the variables of a process that connects as a user of the store."""
    parts = urlsplit(url)
    return {
        "RECOMMENDER_STORE_URL": parts._replace(netloc=f"{parts.hostname}:{parts.port}").geturl(),
        "RECOMMENDER_STORE_USER": user,
        "RECOMMENDER_STORE_PASSWORD_FILE": str(folder / "passwords" / user),
    }

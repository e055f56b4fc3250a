"""Write the users of the store, with their rights, from their passwords."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from recommender_collector.domain.declaration import Declaration
from recommender_collector.process.settings import UsersSettings
from recommender_collector.store.redis_acl import Role, acl, reader
from recommender_runtime.settings import SettingsError

#: A shorter one could be found by trying.
MIN_PASSWORD = 16


def run(settings: UsersSettings, declared: Declaration) -> None:
    """Write the ACL file.

    Raises:
        SettingsError: a password that is needed is missing or short.
        OSError: the file cannot be written.
    """
    passwords = {}
    for name in (*Role, *map(reader, declared.models)):
        if found := _passwords(settings.passwords / name):
            passwords[str(name)] = found
        elif name in (Role.COLLECTOR, Role.WRITER):
            raise SettingsError(f"there is no password {name} in {settings.passwords}: add it")
        else:
            sys.stderr.write(
                f"recommender-collector: there is no password {name} in {settings.passwords}: "
                "the store has no such user\n"
            )
    text = "\n".join([*acl(passwords, declared.models), ""])
    descriptor = os.open(settings.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)


def _passwords(path: Path) -> list[str]:
    """Return the passwords in a file, one a line; none if it is missing."""
    try:
        found = path.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    for each in found:
        if len(each) < MIN_PASSWORD:
            raise SettingsError(
                f"{path} has a password of {len(each)} characters: give 16 or more"
            )
    return found

"""Command line: `recommender-collector serve|write|find-user|users`."""

from __future__ import annotations

import os
import sys

from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.declaration import DeclarationError
from recommender_collector.log.durability import NotDurable
from recommender_collector.process import components, find_command, serve, users_command, write
from recommender_collector.process.settings import (
    FindSettings,
    ServeSettings,
    UsersSettings,
    parse,
)
from recommender_runtime import log_lines
from recommender_runtime.settings import SettingsError

DONE, FAILED, WRONG_USE = 0, 1, 2


def main(argv: list[str] | None = None) -> int:
    """Run a command and return the exit code."""
    try:
        settings = parse(sys.argv[1:] if argv is None else argv, os.environ)
    except SettingsError as error:
        return _fail(WRONG_USE, str(error))
    if isinstance(settings, FindSettings):
        return _find(settings)
    if isinstance(settings, UsersSettings):
        return _write_users(settings)
    key = settings.user_key.decode() if settings.user_key else None
    kafka = settings.kafka.password if settings.kafka else None
    secrets = (*settings.store.access.secrets, key, kafka)
    log_lines.set_up(
        "recommender_collector", settings.log_level, settings.log_format, secrets=secrets
    )
    try:
        if isinstance(settings, ServeSettings):
            serve.run(settings)
        else:
            write.run(settings)
    except (SettingsError, DeclarationError) as error:
        return _fail(WRONG_USE, str(error))
    except (NotDurable, OSError) as error:
        return _fail(FAILED, str(error))
    return DONE


def _find(settings: FindSettings) -> int:
    try:
        found = find_command.report(settings)
    except (SettingsError, DeclarationError, InvalidEvent) as error:
        return _fail(WRONG_USE, str(error))
    except OSError as error:
        return _fail(FAILED, str(error))
    sys.stdout.write(found.text() + "\n")
    return DONE if found.is_gone else FAILED


def _write_users(settings: UsersSettings) -> int:
    try:
        users_command.run(settings, components.declaration(settings))
    except (SettingsError, DeclarationError) as error:
        return _fail(WRONG_USE, str(error))
    except OSError as error:
        return _fail(FAILED, str(error))
    return DONE


def _fail(code: int, message: str) -> int:
    sys.stderr.write(f"recommender-collector: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())

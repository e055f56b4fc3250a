"""Command line: `recommender-collector serve|write`."""

from __future__ import annotations

import logging
import os
import sys

from recommender_collector.domain.declaration import DeclarationError
from recommender_collector.log.durability import NotDurable
from recommender_collector.process import serve, write
from recommender_collector.process.settings import ServeSettings, SettingsError, parse

DONE, FAILED, WRONG_USE = 0, 1, 2


def main(argv: list[str] | None = None) -> int:
    """Run a command and return the exit code."""
    try:
        settings = parse(sys.argv[1:] if argv is None else argv, os.environ)
    except SettingsError as error:
        return _fail(WRONG_USE, str(error))
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING
    )
    logging.getLogger("recommender_collector").setLevel(settings.log_level)
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


def _fail(code: int, message: str) -> int:
    sys.stderr.write(f"recommender-collector: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())

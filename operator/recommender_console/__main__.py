"""The command `recommender-console`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import ssl
import sys
from collections.abc import Sequence

from recommender_console import process
from recommender_console.settings import PREFIX, VARIABLES, SettingsError, load
from recommender_contract import logs

OK, FAILED, USAGE = 0, 1, 2

logger = logging.getLogger("recommender_console")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the console and return the exit code."""
    lines = [f"  {PREFIX + name:32} {words}" for name, words in VARIABLES.items()]
    argparse.ArgumentParser(
        prog="recommender-console",
        description="A web page of the models, which acts with the visitor's own rights.",
        epilog="environment variables:\n" + "\n".join(lines) + "\n\nexit codes: 0 terminated by a "
        "signal; 1 failure; 2 invalid setting",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    try:
        settings = load(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"recommender-console: {error}\n")
        return USAGE
    logs.set_up(settings.log_level, settings.log_format, ("aiohttp.access", "asyncio"))
    try:
        asyncio.run(process.serve_console(settings))
    except (OSError, ssl.SSLError) as error:
        logger.error("the console cannot start: %s", error)
        return FAILED
    return OK


if __name__ == "__main__":
    sys.exit(main())

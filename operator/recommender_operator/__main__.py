"""The command `recommender-operator`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from recommender_contract import logs
from recommender_operator.metrics.operator_metrics import version
from recommender_operator.process.settings import Settings, SettingsError, load, variable

OK, FAILED, USAGE, NO_ACCESS, LOST_LEASE = 0, 1, 2, 3, 4

logger = logging.getLogger("recommender_operator")
#: Every cause leads to the same reconcile, so the logs of Kopf's handlers are not useful either.
CHATTY = ("kubernetes", "aiohttp.access", "asyncio", "kopf")

_EXITS = """\
exit codes:
  0  success, or terminated by a signal
  1  failure; see the log
  2  invalid command line or setting
  3  no access to a cluster
  4  another process holds the lease; after a restart, this one is a standby
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code."""
    options = _parser().parse_args(arguments)
    match options.command:
        case "version":
            sys.stdout.write(f"{version()}\n")
            return OK
        case "crds":
            return _crds()
        case _:
            return _run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="recommender-operator",
        description="A Kubernetes operator for recommenders in production.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    lines = [f"  {variable(name):34} {_default(name)}" for name in Settings.model_fields]
    commands.add_parser(
        "run",
        help="run the operator until a signal",
        description="Run the operator. All settings are environment variables.",
        epilog="environment variables and defaults:\n" + "\n".join(lines) + "\n\n" + _EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands.add_parser("version", help="print the version")
    commands.add_parser("crds", help="print the custom resource definitions as YAML")
    return parser


def _default(field: str) -> str:
    info = Settings.model_fields[field]
    if info.is_required():
        return "required"
    return str(info.default) if info.default not in ("", ()) else "empty"


def _crds() -> int:
    # Imported here, because `run` does not need it.
    from recommender_operator.api import crd

    for definition in crd.render_all().values():
        sys.stdout.write("---\n" + crd.to_yaml(definition))
    return OK


def _run() -> int:
    try:
        settings = load(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"recommender-operator: {error}\n")
        return USAGE
    logs.set_up(settings.log_level, settings.log_format, CHATTY)
    # Imported here, so that `version` and invalid settings end at once.
    from recommender_operator.controller.kube import KubeError
    from recommender_operator.controller.transport import log_in

    try:
        asyncio.run(log_in())
    except KubeError as error:
        logger.error("%s", error)
        return NO_ACCESS
    try:
        asyncio.run(_operate(settings))
    except KeyboardInterrupt:
        return OK
    except Exception:
        logger.exception("the operator failed")
        return FAILED
    return OK


async def _operate(settings: Settings) -> None:
    from recommender_operator.process.operator_process import Process

    logger.info("recommender-operator %s starts", version())
    await Process(settings, end=_end).run()


def _end(lost: BaseException) -> NoReturn:
    logger.critical("%s: this process exits without further writes", lost)
    logging.shutdown()
    # Not by an exception: tasks and threads might still write while they are cancelled.
    os._exit(LOST_LEASE)


if __name__ == "__main__":
    sys.exit(main())

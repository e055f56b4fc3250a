"""Command line: `recommender-serving serve|verify`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from recommender_runtime import log_lines
from recommender_runtime.settings import SettingsError
from recommender_serving.artifact import verify
from recommender_serving.artifact.loader import ArtifactError
from recommender_serving.process.settings import ServeSettings, VerifySettings, parse

DONE, DAMAGED, WRONG_USE = 0, 1, 2


def main(argv: list[str] | None = None) -> int:
    """Run a command and return the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        settings = parse(arguments, os.environ)
    except SettingsError as error:
        return _fail(WRONG_USE, str(error))
    if isinstance(settings, VerifySettings):
        return _verify(settings.artifact, settings.digest)
    # At each start: the container may restart in a pod whose artifact was verified long ago.
    if settings.digest is not None and (code := _verify(settings.artifact, settings.digest)):
        return code
    return _serve(settings)


def _verify(artifact: Path, digest: str) -> int:
    faults = verify.problems(artifact, digest)
    for fault in faults:
        _fail(DAMAGED, fault)
    if faults:
        return DAMAGED
    sys.stdout.write(f"{artifact} is intact: {digest}\n")
    return DONE


def _serve(settings: ServeSettings) -> int:
    log_lines.set_up(
        "recommender_serving",
        settings.log_level,
        settings.log_format,
        {"model": settings.model, "version": settings.version},
        settings.store.secrets if settings.store is not None else (),
    )
    # Here, because `verify` needs no server.
    from recommender_serving.process import server

    try:
        server.run(settings)
    except (ArtifactError, OSError, RuntimeError) as error:
        return _fail(DAMAGED, str(error))
    return DONE


def _fail(code: int, message: str) -> int:
    sys.stderr.write(f"recommender-serving: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())

"""`recommender-operator run`, which stops itself (SIGSTOP) after its first write that counts.

The real process with its real client: only the moment of the signal comes from inside, because
from outside nobody can hit the moment between two writes. A write counts if it changed something;
the next leader repeats some that change nothing, and must get past them. What was written is the
last line of the file of the environment variable `FREEZE_NOTE`.
"""

from __future__ import annotations

import functools
import os
import pathlib
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from recommender_operator.__main__ import main
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.election import LEASES
from recommender_operator.controller.kube import Object, Resource

NOTE = "FREEZE_NOTE"


def _place(verb: str, arguments: tuple[Any, ...]) -> tuple[str, str]:
    """Return the namespace and the name that a write is about."""
    if verb in ("patch", "delete"):
        return arguments[0], arguments[1]
    metadata = arguments[0]["metadata"]
    return metadata["namespace"], metadata["name"]


def _revision(found: Object | None) -> str:
    return "" if found is None else str(found["metadata"].get("resourceVersion"))


def _stopping(verb: str, write: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(write)
    async def wrapped(
        kube: OfficialKube, resource: Resource, *arguments: Any, **preconditions: Any
    ) -> Any:
        if resource == LEASES:
            return await write(kube, resource, *arguments, **preconditions)
        namespace, name = _place(verb, arguments)
        before = _revision(await kube.get(resource, namespace, name))
        answer = await write(kube, resource, *arguments, **preconditions)
        if before != _revision(await kube.get(resource, namespace, name)):
            note = pathlib.Path(os.environ[NOTE])
            note.write_text(f"{verb} {resource.plural}/{name}\n", encoding="utf-8")
            os.kill(os.getpid(), signal.SIGSTOP)
        return answer

    return wrapped


if __name__ == "__main__":
    for verb in ("create", "apply", "apply_status", "patch", "delete"):
        setattr(OfficialKube, verb, _stopping(verb, getattr(OfficialKube, verb)))
    sys.exit(main())

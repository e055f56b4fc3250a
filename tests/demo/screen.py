"""The output of the demo: progress, and a table at the end."""

from __future__ import annotations

import sys
import threading
import time
from http import HTTPStatus

from kubernetes.client import ApiException

from tests.scenario.stories import StoryResult
from tests.scenario.world import World

QUIET_SECONDS = 10.0


class Screen:
    """Prints a line at each change, and periodically without changes."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._started:6.1f}s] {text}", flush=True)

    def follow(self, world: World) -> None:
        """Show stage, weights, verdict and the load's figures until `stop`."""
        self.stop()
        # Its own, because a thread that still waits for the API server may outlive `stop`.
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, args=(world, self._stop), daemon=True)
        self._thread.start()

    def _follow(self, world: World, stop: threading.Event) -> None:
        before, said_at = "", 0.0
        while not stop.wait(1.0):
            head = seen(world)
            if head != before or time.monotonic() - said_at > QUIET_SECONDS:
                before, said_at = head, time.monotonic()
                self.say(f"{head}{_traffic(world)}")

    def stop(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=5)


def seen(world: World) -> str:
    """Return the state of the model in one line, or why there is none."""
    try:
        return _lifecycle(world)
    except ApiException as error:
        missing = error.status == HTTPStatus.NOT_FOUND
        return "no model yet" if missing else f"(no status: {error.status})"
    except Exception as error:  # one missing line does not matter
        return f"(no status: {type(error).__name__})"


def _lifecycle(world: World) -> str:
    status = world.status
    weight = status.get("candidateWeight", 0)
    parts = [f"{status.get('stage', 'Pending'):<12}"]
    if champion := status.get("champion"):
        parts.append(f"champion {champion} {100 - weight}%")
    if candidate := status.get("candidate"):
        parts.append(f"candidate {candidate} {weight}%")
    if verdict := status.get("verdict"):
        parts.append(f"verdict {verdict}")
    if drift := status.get("drift"):
        parts.append(f"drift {drift.get('verdict', '')} ({drift.get('breachesInARow', 0)})")
    return "  ".join(parts)


def _traffic(world: World) -> str:
    if world.load is None:
        return ""
    total, recent = world.load.total, world.load.recent
    answered = recent["ok"] + recent["failed"]
    share = 100 * recent["ok"] / answered if answered else 100.0
    return (
        f" | {answered} rps  p50 {recent['p50_ms']:.0f} ms  p99 {recent['p99_ms']:.0f} ms  "
        f"ok {share:.1f}%  failed {total['failed']} of {total['sent']}"
    )


def table(reported: list[StoryResult]) -> str:
    """Return the decisions as lines of text."""
    lines = ["", f"{'story':<36}{'decision':<14}{'reason':<28}{'seconds':>8}"]
    lines.append("-" * 86)
    for story in reported:
        lines.append(f"{story.name:<36}{story.decision:<14}{story.reason:<28}{story.seconds:>8}")
        lines.append(f"    {story.version}: {story.message}")
    return "\n".join(lines)


def error(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

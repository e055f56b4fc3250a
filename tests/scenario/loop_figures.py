"""The figures of the loop, from the reports of the simulator and the objects: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.scenario.world import parsed_time

GAIN = "offPolicyGain"
Json = Mapping[str, Any]


def of(reports: Sequence[Json], version: Json) -> dict[str, Any]:
    """Return the figures of all runs of the simulator, and the gain that a version's gates saw."""
    answers = sum(report["answers"] for report in reports)
    failed = sum(report["failed"] for report in reports)
    return {
        "share of the best lists": {name: lists[0] for name, lists in _lists(reports).items()},
        "clicks an answer, by the truth": {
            name: lists[1] for name, lists in _lists(reports).items()
        },
        "answers": {name: lists[2] for name, lists in _lists(reports).items()},
        "requests": answers + failed,
        "failed requests": failed,
        "events": sum(report["events"]["accepted"] for report in reports),
        "lost events": sum(
            report["events"][how] for report in reports for how in ("rejected", "undelivered")
        ),
        "off-policy gain": _gain(version),
        "mixed lists": _mixed(version),
    }


def load(reports: Sequence[Json]) -> dict[str, Any]:
    """Return what became of the requests of all runs, also of a loop that did not close."""
    failed = sum(report["failed"] for report in reports)
    return {
        "sent": sum(report["answers"] for report in reports) + failed,
        "failed": failed,
        "failures": sum((Counter(report.get("failures", {})) for report in reports), Counter()),
    }


def _lists(reports: Sequence[Json]) -> dict[str, tuple[float, float, int]]:
    """Return the share of the best lists' clicks, clicks an answer, and answers of each version.

    The runs of a version count by their answers.
    """
    sums: dict[str, tuple[float, float, int]] = {}
    for report in reports:
        for name, arm in report["versions"].items():
            expected, best, answers = sums.get(name, (0.0, 0.0, 0))
            count = arm["answers"]
            sums[name] = (
                expected + count * arm["expected_click_through"],
                best + count * arm["best_click_through"],
                answers + count,
            )
    return {
        name: (round(expected / best, 4), round(expected / answers, 4), answers)
        for name, (expected, best, answers) in sums.items()
    }


def _gain(version: Json) -> dict[str, Any]:
    """Return the result of the gate on the gain at explored places; empty without one."""
    for gate in version.get("status", {}).get("gates", []):
        if gate["metric"] == GAIN:
            return {
                key: gate[key]
                for key in ("value", "low", "high", "threshold", "passed", "message")
                if gate.get(key) not in (None, "")
            }
    return {}


def _mixed(version: Json) -> dict[str, Any]:
    """Return what users preferred in mixed lists, and how long that took; empty without."""
    found = version.get("status", {}).get("interleaving")
    if not found:
        return {}
    began, ended = (parsed_time(found[name]) for name in ("startedAt", "endedAt"))
    names = ("verdict", "users", "clicked", "preference", "low", "high")
    return {name: found[name] for name in names} | {"seconds": (ended - began).total_seconds()}


def mixed_words(found: Json) -> str:
    """Return what users preferred in mixed lists, in one line."""
    return (
        f"mixed lists: {found['verdict']}; {found['clicked']} of {found['users']} users clicked, "
        f"preference for the next model {found['preference']:+.3f} "
        f"[{found['low']:+.3f}, {found['high']:+.3f}]"
    )


def words(shares: Mapping[str, float], order: Sequence[str]) -> str:
    """Return the shares as text, in an order."""
    return "share of the best lists' clicks: " + ", ".join(
        f"{name} {100 * shares[name]:.1f} %" for name in order
    )


def line(report: Json) -> str:
    """Return what a run of the simulator found, in one line."""
    lists = ", ".join(
        f"{name} {arm['answers']} answers, {100 * (arm['share_of_best'] or 0):.1f} % of the best"
        for name, arm in report["versions"].items()
    )
    return f"users: {lists}; {report['failed']} failed, {report['events']['accepted']} events"


def table(numbers: Json) -> str:
    """Return the figures as lines of text."""
    lines = ["", f"{'lists of':<28}{'answers':>10}{'clicks an answer':>18}{'of the best':>13}"]
    for name, share in numbers["share of the best lists"].items():
        clicks = numbers["clicks an answer, by the truth"][name]
        count = numbers["answers"][name]
        lines.append(f"{name:<28}{count:>10}{clicks:>18.3f}{100 * share:>11.1f} %")
    lines.append(
        f"{numbers['requests']} requests, {numbers['failed requests']} failed, "
        f"{numbers['events']} events; clicks by the users' tastes, not by counting"
    )
    gain = numbers["off-policy gain"]
    if "value" in gain:
        interval = f" [{gain['low']:.4f}, {gain['high']:.4f}]" if "low" in gain else ""
        lines.append(
            f"gain at explored places, before any user saw it: {gain['value']:.4f}{interval}, "
            f"required: {gain['threshold']}"
        )
    elif gain:
        lines.append(f"gain at explored places: no estimate; {gain['message']}")
    if mixed := numbers["mixed lists"]:
        lines.append(
            f"{mixed_words(mixed)}; {mixed['mixed']} lists mixed, {mixed['not mixed']} not, "
            f"{mixed['seconds']:.0f} s"
        )
    return "\n".join(lines)

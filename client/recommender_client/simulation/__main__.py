"""The console script `recommender-simulate`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Sequence

from recommender_client.clients import MODEL, AsyncClient
from recommender_client.errors import ClientError
from recommender_client.event_clients import AsyncEventClient
from recommender_client.simulation.behaviour import Behaviour
from recommender_client.simulation.playing import Play, Player
from recommender_client.simulation.tally import Tally, table

DONE, FAILED = 0, 1
PROGRESS_SECONDS = 1.0
EXAMPLES = """\
examples:
  recommender-simulate http://GATEWAY --host shop.default.recommender.local --answers 5000
  recommender-simulate http://GATEWAY --host shop.default.recommender.local \\
    --collector http://recommender-operator-collector --user-name 'user-{}' --users 2000 \\
    --answers 100000 --rate 50 --seed 7 -o json

Users like the same items in each run with the same seed. With --collector, clicks and purchases
are reported; the impressions are the serving path's (serving.impressions: 1), or give
--impressions.

exit codes: 0 done; 1 no query was answered, or a query or event is refused; 2 wrong arguments"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        prog="recommender-simulate",
        description="Users with known preferences ask a live endpoint, click and buy; "
        "click-through is told by arm, beside the one that their preferences imply.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = found.add_argument
    add("endpoint", help="base URL of the Gateway or of a transformer")
    add("--host", help="host of the model, for a Gateway")
    add("--model", default=MODEL, help="name in the path of v1 (default %(default)s)")
    add("--collector", help="base URL of the collector; no events if absent")
    add("--users", type=_count, default=1000, help="number of users (default %(default)s)")
    add(
        "--user-name", default="{}", metavar="TEXT",
        help="id of a user, with {} for the number; a whole number if it is {} (default)",
    )  # fmt: skip
    add("--answers", type=_count, default=10_000, help="queries in all (default %(default)s)")
    add("--top-n", type=_count, default=10, help="items of a list (default %(default)s)")
    add("--rate", type=_positive, help="queries a second (default: as fast as answers come)")
    add("--at-once", type=_count, default=8, help="queries at a time (default %(default)s)")
    add("--deadline", type=_positive, default=2.0, help="seconds of a query (default %(default)s)")
    add("--impressions", action="store_true", help="report impressions, too")
    for name, text in (
        ("liked", "share of the items that a user likes"),
        ("click", "probability of a click on an examined item that the user likes"),
        ("mistake", "the same of an item that the user does not like"),
        ("buy", "probability of a purchase after a click on a liked item"),
        ("decay", "position n is examined with probability n^-DECAY"),
    ):
        default = getattr(Behaviour(), name)
        add(f"--{name}", type=float, default=default, help=f"{text} (default {default})")
    add("--seed", type=int, default=0, help="of preferences and chance (default %(default)s)")
    add("-o", "--output", choices=("text", "json"), default="text", help="form of the summary")
    return found


def run(words: Sequence[str]) -> int:
    """Carry out a command line; return its exit code."""
    its = parser()
    given = its.parse_args(words)
    try:
        behaviour = Behaviour(
            given.seed, given.liked, given.click, given.mistake, given.buy, given.decay
        )
    except ValueError as error:
        its.error(str(error))
    if given.user_name.count("{}") != 1 or given.user_name.count("{") != 1:
        its.error(f"--user-name: got {given.user_name[:60]!r}; give a text with one {{}}")
    try:
        tally = asyncio.run(_played(given, behaviour))
    except ClientError as error:
        sys.stderr.write(f"recommender-simulate: {error}\n")
        return FAILED
    except KeyboardInterrupt:
        return 130
    summary = tally.summary()
    text = json.dumps(summary) if given.output == "json" else table(summary)
    sys.stdout.write(text + "\n")
    return DONE if tally.answers else FAILED


async def _played(given: argparse.Namespace, behaviour: Behaviour) -> Tally:
    play = Play(
        given.users, given.answers, given.at_once, given.top_n, given.rate, given.user_name,
        given.impressions,
    )  # fmt: skip
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            AsyncClient(
                given.endpoint, host=given.host, model=given.model, deadline=given.deadline
            )
        )
        collector = None
        if given.collector:
            collector = await stack.enter_async_context(AsyncEventClient(given.collector))
        return await Player(client, collector, behaviour, play, Progress(given.answers)).run()


class Progress:
    """Says once a second how far it is, on stderr."""

    def __init__(self, answers: int) -> None:
        self._all = answers
        self._last = time.monotonic()

    def __call__(self, tally: Tally) -> None:
        """Say it, if it is time."""
        if (now := time.monotonic()) - self._last < PROGRESS_SECONDS:
            return
        self._last = now
        done = tally.answers + tally.failed
        sys.stderr.write(
            f"{done} of {self._all} queries ({100 * done // self._all} %), {tally.failed} failed\n"
        )


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10**9:
        raise argparse.ArgumentTypeError(f"{text[:40]} is no count: give 1 to 1000000000")
    return int(text)


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"{text[:40]} is out of range: give a number above 0")
    return number


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()

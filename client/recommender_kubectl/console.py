"""Standard output and error: the one place where control characters are escaped."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from recommender_kubectl.text import BAD, Style, printable


class Console:
    """Prints text or JSON. Colours and wrapped lines are for terminals alone."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.terminal = sys.stdout.isatty()
        colour = self.terminal and not os.environ.get("NO_COLOR")
        width = shutil.get_terminal_size().columns if self.terminal else None
        self.style = Style(colour=colour, width=width)

    def show(self, facts: object, lines: Sequence[str]) -> None:
        """Print facts as JSON, or their text."""
        if self.as_json:
            self._print(json.dumps(plain(facts), indent=2))
        else:
            self._print("\n".join(printable(line, self.style) for line in lines))

    def say(self, text: str) -> None:
        """Print a text."""
        self._print(printable(text, self.style))

    def _print(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def replace(self, text: str) -> None:
        """Print a line in place of the one before, which `replace` printed too."""
        shown = printable(text, self.style)
        sys.stdout.write("\r\x1b[2K" + shown[: (self.style.width or len(shown) + 1) - 1])
        sys.stdout.flush()

    def abandon(self) -> None:
        """Discard what is still to be printed, because nobody reads it any more."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)

    def complain(self, text: str) -> None:
        """Print an error."""
        style = Style(colour=sys.stderr.isatty() and not os.environ.get("NO_COLOR"))
        sys.stderr.write(style.paint("error: ", BAD) + printable(text, Style()) + "\n")


def plain(facts: object) -> Any:
    """Return facts as JSON has them: camelCase keys, times as the API server writes them."""
    if dataclasses.is_dataclass(facts) and not isinstance(facts, type):
        names = [field.name for field in dataclasses.fields(facts)]
        return {_camel(name): plain(getattr(facts, name)) for name in names}
    if isinstance(facts, datetime.datetime):
        return facts.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(facts, Mapping):
        return {key: plain(value) for key, value in facts.items()}
    if isinstance(facts, (list, tuple)):
        return [plain(one) for one in facts]
    return facts


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)

"""The worst texts that pods and other servers can write for those who read them."""

from __future__ import annotations

import base64
import itertools
import random
from collections.abc import Callable

Maker = Callable[[int], str]


def repeated(unit: str) -> Maker:
    return lambda size: (unit * (size // len(unit) + 1))[:size]


def numbered(line: str) -> Maker:
    """Return as many different lines as fit."""

    def make(size: int) -> str:
        lines: list[str] = []
        left = size
        for number in itertools.count():
            lines.append(line.format(number))
            left -= len(lines[-1])
            if left < 0:
                return "".join(lines[:-1])
        raise AssertionError

    return make


#: What pods may write to their logs and termination messages.
TEXTS: dict[str, Maker] = {
    "base64": lambda size: base64.b64encode(random.Random(1).randbytes(size)).decode()[:size],
    "one letter": repeated("A"),
    "dots": repeated("a."),
    "keys": repeated("key "),
    "schemes": repeated("://"),
    "addresses": repeated("a://b:c"),
    "web tokens": repeated("eyJ"),
    "web tokens with dashes": repeated("-eyJ"),
    "web tokens cut short": repeated("eyJaaaaaaaa.eyJ."),
    "names": repeated("password="),
    "names in one word": repeated("password"),
    "names before spaces": repeated("password" + " " * 999 + "secret" + " " * 999),
    "headers": repeated("authorization"),
    "quotes": repeated("token=\"\\\""),
    "spaces": repeated(" "),
    "lines": repeated("\n"),
    "names and lines": repeated("token: \n"),
    "multi-byte": repeated("日本é"),
}  # fmt: skip
#: What they may serve as their metrics.
PAGES: dict[str, Maker] = {
    **TEXTS,
    "series": numbered('recommender_x{{bin="{}",feature="age"}} 1\n'),
    "short series": numbered("recommender_{} 1\n"),
    "quotes in a label": numbered('recommender_x{{bin="{}' + '\\"' * 220 + '"}} 1\n'),
    "labels": numbered('recommender_x{{bin="{}",' + 'a="",' * 90 + "}} 1\n"),
    "foreign series": numbered('python_x{{bin="{}",feature="age"}} 1\n'),
    "one long line": lambda size: "recommender_x{" + "a" * (size - 14),
}
#: What a Prometheus server may answer.
ANSWERS: dict[str, Maker] = {
    "brackets": repeated("["),
    "series": lambda size: _answer('{"metric":{"pod":"a","bin":"%d"},"value":[1,"1"]}', size),
    "digits": repeated("1"),
}
#: What they may answer to the smoke inference.
PREDICTIONS: dict[str, Maker] = {
    "brackets": repeated("["),
    "digits": repeated("1"),
    "items": lambda size: _filled('{"predictions":[{"source":"model","items":[', "1,", size),
    "objects": lambda size: _filled('{"predictions":[', "{},", size),
}
#: What the collector may answer about an experiment.
READINGS: dict[str, Maker] = {
    "brackets": repeated("["),
    "numbers": lambda size: _filled('{"phases":[', "0.25,", size),
    "objects": lambda size: _filled('{"phases":[', '{"a":1},', size),
}


def _answer(row: str, size: int) -> str:
    rows = ",".join(row % number for number in range(size // (len(row) + 4)))
    head = '{"status":"success","data":{"resultType":"vector","result":['
    return head + rows + "]}}"


def _filled(head: str, unit: str, size: int) -> str:
    """Return JSON with an array of as many units as fit; `head` ends with its bracket."""
    closing = {"[": "]", "{": "}"}
    ends = "".join(closing[bracket] for bracket in reversed(head) if bracket in closing)
    return head + unit * ((size - len(head) - len(ends)) // len(unit) - 1) + unit[:-1] + ends

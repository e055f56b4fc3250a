"""Search: how well an item fits the query decides most.

Process: an item has a category of 12 and three of 20 attributes, which are its words, and a
quality N(0, .7). A query has two words: a category and an attribute. The search finds 20 items, 12
of the category and 8 of others, and shows ten of them in a random order. Each is clicked with
probability sigmoid(-3.5 + 2 x (category fits) + 2 x (attribute fits) + quality). Requests have the
query and the 20 items to order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.worlds.world import DAY, SHOWN, START, Recorder, Row, World, normalised, with_items


@dataclass(frozen=True)
class Size:
    items: int
    users: int
    searches: int
    days: int = 28
    days_after: int = 7
    requests: int = 200


SIZES = {"small": Size(240, 300, 1250), "full": Size(2000, 3000, 12_500, requests=1000)}
CATEGORIES, ATTRIBUTES = 12, 20


def generate(seed: int, size: str) -> World:
    of, random = SIZES[size], np.random.default_rng(seed)
    category = np.arange(of.items) % CATEGORIES
    attributes = np.zeros((of.items, ATTRIBUTES), np.bool_)
    for item in range(of.items):
        attributes[item, random.choice(ATTRIBUTES, 3, replace=False)] = True
    quality = random.normal(0, 0.7, of.items)
    asked = normalised(np.arange(1, CATEGORIES + 1) ** -0.5)
    cut = START + of.days * DAY
    recorder = Recorder(cut)
    for time in np.sort(random.integers(0, (of.days + of.days_after) * DAY, of.searches)) + START:
        user = int(random.integers(of.users))
        wanted, word = int(random.choice(CATEGORIES, p=asked)), int(random.integers(ATTRIBUTES))
        fits = category == wanted
        found = np.concatenate(
            [random.choice(np.flatnonzero(fits), 12, replace=False),
             random.choice(np.flatnonzero(~fits), 8, replace=False)]
        )  # fmt: skip
        random.shuffle(found)
        logits = -3.5 + 2 * fits[found] + 2 * attributes[found, word] + quality[found]
        chances = np.zeros(of.items)
        chances[found] = 1 / (1 + np.exp(-logits))
        query = [f"category{wanted}", f"attribute{word}"]
        recorder.ask(user, int(time), chances, found, query=query)
        for item in found[:10]:
            clicked = random.random() < chances[item]
            recorder.event(
                user, int(item), int(time), engaged=clicked, positive=clicked,
                clicked=int(clicked), query=" ".join(query),
            )  # fmt: skip
    items: list[Row] = []
    for item in range(of.items):
        tags = [f"category{category[item]}"]
        tags += [f"attribute{each}" for each in np.flatnonzero(attributes[item])]
        items.append({"id": item + 1, "words": " ".join(tags)})
    words = {"kind": "MultiCategorical", "separator": " "}
    mapping = with_items(SHOWN, {"name": "words", **words})
    mapping["interactions"] = {
        **mapping["interactions"],
        "features": [{"name": "query", **words}],
    }
    return World(
        "clicks on the items that the search found",
        recorder.log(),
        cut,
        recorder.requests(of.requests, random),
        mapping,
        np.full(of.items, START),
        items,
        repeats=True,
        shown=True,
    )

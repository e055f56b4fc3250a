"""Events of users: their kinds, fields and bounds.

Clients and transformers send them, the collector checks and keeps them, and training reads them.
"""

from __future__ import annotations

import enum


class Kind(enum.StrEnum):
    """What happened."""

    IMPRESSION = "impression"  # items were shown
    VISIT = "visit"  # a page was opened, of an item or of none
    SEARCH = "search"
    CLICK = "click"
    BASKET = "basket"
    PURCHASE = "purchase"
    DWELL = "dwell"  # the value is in seconds
    DISLIKE = "dislike"


class Source(enum.StrEnum):
    """What of a version answered a request; the field `path` of an event."""

    MODEL = "model"
    BASELINE = "baseline"
    POPULARITY = "popularity"


#: The type of a CloudEvent is this and the kind of the event.
TYPE_PREFIX = "dev.recommender."
CONTENT_TYPE = "application/cloudevents+json"
BATCH_CONTENT_TYPE = "application/cloudevents-batch+json"

#: Events of a request, and bytes of its body.
MAX_EVENTS = 1000
MAX_BODY = 1024 * 1024
#: Items of an impression.
MAX_ITEMS = 500
#: Probabilities of an impression: those of its first items.
MAX_PROBABILITIES = 20
#: Characters of ids of requests, sessions and versions, which are printable ASCII.
MAX_LABEL = 128
#: Characters of a category, in lists and in the context of an event.
MAX_CATEGORY = 64
#: Milliseconds that a request took, where an experiment watches that.
MAX_MILLISECONDS = 3_600_000
#: Highest threshold, in milliseconds, above which such a request counts as slow.
MAX_SLOWER_THAN = 60_000

#: Features that divide the users of an experiment, or the predictions of a version.
MAX_SEGMENTS = 3
#: Characters of the value of such a feature.
MAX_SEGMENT = 64
#: Names of the groups of a holdout's measure, which is counted as an experiment of two arms.
HELD, OTHERS = "holdout", "others"
#: Who gave an item of a mixed list: the version that answered, the candidate, or neither more than
#: the other.
TEAMS = OWN, THEIRS = "A", "B"
NEITHER = "-"

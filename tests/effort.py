"""How many examples a property tries: those of the profile (`tests/conftest.py`), or a share of
them where each is costly. No property has a number of its own.
"""

from __future__ import annotations

from hypothesis import settings

#: One example in so many is tried where each is a fit or a few ingestions.
_ONE_IN = 4

COSTLY = settings(max_examples=max(1, settings().max_examples // _ONE_IN))

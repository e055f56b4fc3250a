"""Names of arms that are no versions: pure."""

#: The only arm of an interleaving.
INTERLEAVED = "interleaved"
HELD = "holdout"
GROUPS = frozenset({HELD, "others"})  # the arms of the measure of a holdout

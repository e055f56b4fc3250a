"""The reaction to each cause of drift: docs/drift-reactions.md, in one place."""

from __future__ import annotations

import enum
from typing import assert_never


class Cause(enum.StrEnum):
    """Causes by which served requests or their outcomes differ from the training data."""

    #: Inputs or scores shifted, on all versions alike.
    INPUT_SHIFT = "InputShift"
    #: A feature is null in far more sessions than in training, on all versions alike.
    SCHEMA_BREAK = "SchemaBreak"
    #: Nulls, unknown values or scores that only the candidate has.
    CANDIDATE_BREAK = "CandidateBreak"
    #: Labels do not come as often as the model says.
    CALIBRATION_DRIFT = "CalibrationDrift"
    #: The loss rose beyond the limit: labels follow other rules than those that were learned.
    LOSS_RISE = "LossRise"
    #: The same, or the calibration, of the users of one segment and not of all.
    SEGMENT_DRIFT = "SegmentDrift"
    #: A feature shifted in the sessions of one segment, which those of all do not show.
    SEGMENT_SHIFT = "SegmentShift"


class Reaction(enum.StrEnum):
    """Reactions of the operator."""

    #: Condition, Event and alert.
    ALERT = "Alert"
    RETRAIN = "Retrain"
    #: A new version: the champion's network with a new calibration, fitted to the labels.
    RECALIBRATE = "Recalibrate"
    #: Versions that were trained before it are not promoted without a person.
    BLOCK_PROMOTIONS = "BlockPromotions"
    ROLL_BACK = "RollBack"
    #: To the previous version, only if that is better on the same rows; by itself in mode Auto.
    ROLL_BACK_IF_BETTER = "RollBackIfBetter"
    #: Nothing trains by itself on what may be broken.
    FREEZE_RETRAINING = "FreezeRetraining"


def reactions(cause: Cause) -> frozenset[Reaction]:
    """Return the reaction to a confirmed cause."""
    match cause:
        case Cause.INPUT_SHIFT:
            # It concerns an older version as much.
            return frozenset({Reaction.ALERT, Reaction.RETRAIN, Reaction.BLOCK_PROMOTIONS})
        case Cause.LOSS_RISE:
            return reactions(Cause.INPUT_SHIFT) | {Reaction.ROLL_BACK_IF_BETTER}
        case Cause.SEGMENT_DRIFT:
            # Another calibration of all would harm the others, and so might an older version. One
            # that was trained before it is not worse for it.
            return frozenset({Reaction.ALERT, Reaction.RETRAIN})
        case Cause.SEGMENT_SHIFT:
            # Often one app or page is broken, which a retraining would learn. Whether it matters
            # for what users do, the labels of the segment tell.
            return frozenset({Reaction.ALERT})
        case Cause.SCHEMA_BREAK:
            # A retraining would learn from what is broken.
            return frozenset(
                {Reaction.ALERT, Reaction.FREEZE_RETRAINING, Reaction.BLOCK_PROMOTIONS}
            )
        case Cause.CANDIDATE_BREAK:
            return frozenset({Reaction.ROLL_BACK})
        case Cause.CALIBRATION_DRIFT:
            # The order of the lists is as good as it was. Older candidates are not worse for it,
            # so they are not held back.
            return frozenset({Reaction.ALERT, Reaction.RECALIBRATE})
    assert_never(cause)

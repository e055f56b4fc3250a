"""The extensions of the operator, in the order in which the core asks them.

To remove one, delete its folder and its lines here. The order matters where they follow one
another: phases before the first step, and the parts of the split of requests.
"""

from __future__ import annotations

from recommender_operator.context.extension import Extension
from recommender_operator.extensions.baseline.baseline_deployment import Baseline
from recommender_operator.extensions.experiment.experiment import Experiment
from recommender_operator.extensions.experiment.extra_arms import ExtraArms
from recommender_operator.extensions.holdout.holdout_gain import Holdout
from recommender_operator.extensions.interleaving.interleaving import Interleaving
from recommender_operator.extensions.recalibration.recalibration import Recalibrate
from recommender_operator.extensions.shadow.shadow import Shadow

EXTENSIONS: tuple[Extension, ...] = (
    Shadow(),
    Interleaving(),
    Experiment(),
    Baseline(),
    ExtraArms(),
    Holdout(),
    Recalibrate(),
)

"""What scales pods in Gateway mode.

To remove KEDA, delete its folder and let `SCALERS` be `scalers.Scalers`.
"""

from __future__ import annotations

from recommender_operator.adapters.traffic.keda.keda_scalers import KedaScalers
from recommender_operator.adapters.traffic.scalers import Scalers

SCALERS: type[Scalers] = KedaScalers

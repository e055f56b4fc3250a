"""The data planes behind the traffic port.

To remove one, delete its folder and its lines here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from recommender_operator.adapters.traffic.gateway_traffic import GatewayTraffic
from recommender_operator.adapters.traffic.knative.knative_traffic import KnativeTraffic
from recommender_operator.adapters.traffic.traffic_port import Traffic
from recommender_operator.api.spec import TrafficMode
from recommender_operator.controller.kube import Kube
from recommender_operator.resources.options import Options

#: How to make that of each `rollout.traffic`.
DATA_PLANES: Mapping[TrafficMode, Callable[[Kube, Options], Traffic]] = {
    TrafficMode.GATEWAY: GatewayTraffic,
    TrafficMode.KNATIVE: KnativeTraffic,
}

"""What a platform team sets once for all models, as far as manifests show it."""

from __future__ import annotations

import dataclasses

from recommender_operator.api import host_names


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Images, the runtime, the Gateway, and the addresses that models may name."""

    training_image: str
    serving_image: str
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    #: Name of the (Cluster)ServingRuntime of Triton.
    triton_runtime: str = "recommender-triton"
    gateway_name: str = "recommender-gateway"
    gateway_namespace: str = "recommender-gateway"
    #: Listener of the Gateway; all of them if empty.
    gateway_section: str = ""
    #: Domain of host names where a spec names none.
    domain: str = "recommender.local"
    #: Suffixes of host names by namespaces, beside each namespace's own part of the domain.
    host_policy: host_names.Policy = ()
    #: Normalised base addresses of the Prometheus servers that models may name.
    prometheus_urls: tuple[str, ...] = ()

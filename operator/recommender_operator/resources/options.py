"""Settings of the installation that manifests depend on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from recommender_operator.api import host_names, service_accounts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Images, the runtime, the Gateway, and the hosts and servers that models may name."""

    training_image: str
    serving_image: str
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    #: Name of the (Cluster)ServingRuntime of Triton.
    triton_runtime: str = "recommender-triton"
    #: Logs of the transformers; the Secret and the entry with the key of the users' names in the
    #: logs of a namespace, random without one.
    serving_log_level: str = "INFO"
    serving_log_format: str = "json"
    log_key_secret: str = ""
    log_key_entry: str = "key"
    #: Receiver of the transformers' traces (OTLP over HTTP), none if empty; and the share of
    #: requests with a trace, unless their client decides.
    tracing_endpoint: str = ""
    tracing_ratio: float = 0.01
    #: Store of the collector, which knows the users of the models of one namespace; none if empty.
    store_url: str = ""
    store_namespace: str = ""
    #: Secret with the passwords of the store, none if empty; its one entry, or if empty that of
    #: the reader of each model; and the Secret with the certificates for rediss://.
    store_secret: str = ""
    store_entry: str = ""
    store_ca_secret: str = ""
    #: Base URL of the collector, which knows the models of the same namespace; none if empty.
    collector_url: str = ""
    #: Where its writer has the folders of the models: claim, then a folder in it, if any, after a
    #: slash; nowhere if empty.
    collector_files: str = ""
    #: Secret of the same namespace with the keys of its transformers; none if empty.
    collector_secret: str = ""
    gateway_name: str = "recommender-gateway"
    gateway_namespace: str = "recommender-gateway"
    #: Listener of the Gateway; all of them if empty.
    gateway_section: str = ""
    #: Domain of default host names.
    domain: str = "recommender.local"
    #: Host name suffixes by namespace, in addition to each namespace's subdomain.
    host_policy: host_names.Policy = ()
    #: Whether the operator writes NetworkPolicies for the pods of models.
    isolate_triton: bool = True
    #: What these pods reach besides the parts of the product: `egress` rules of a NetworkPolicy.
    model_egress: tuple[Mapping[str, Any], ...] = ()
    #: Sources that may read Triton's metrics: `from` entries of a NetworkPolicy.
    metrics_from: tuple[Mapping[str, Any], ...] = ()
    #: Normalized base URLs of the Prometheus servers that models may name.
    prometheus_urls: tuple[str, ...] = ()
    #: Whether the operator may write ScaledObjects, and the Prometheus server that KEDA asks for
    #: requests in flight; none if empty.
    keda: bool = False
    keda_prometheus_url: str = ""
    #: Whether the annotation inject-fault of a model puts a fault into what its trainings export.
    fault_injection: bool = False
    #: Service accounts that models may use, by namespace.
    service_accounts: service_accounts.Policy = ()

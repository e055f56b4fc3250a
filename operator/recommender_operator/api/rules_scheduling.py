"""CEL rules of `scheduling`: keys that pods may have, tolerations and affinity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Rules = Mapping[str, Sequence[tuple[str, str]]]

#: Prefixes of keys that other controllers read, or that would add containers to a pod.
RESERVED = (
    "app.kubernetes.io/managed-by",
    "apparmor.security.beta.kubernetes.io/",
    "appmesh.k8s.aws/",
    "autoscaling.knative.dev/",
    "batch.kubernetes.io/",
    "client.knative.dev/",
    "config.alpha.linkerd.io/",
    "config.linkerd.io/",
    "consul.hashicorp.com/",
    "container.apparmor.security.beta.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "dapr.io/",
    "features.knative.dev/",
    "inject.istio.io/",
    "instrumentation.opentelemetry.io/",
    "internal.serving.kserve.io/",
    "istio.io/",
    "jobset.sigs.k8s.io/",
    "k8s.v1.cni.cncf.io/",
    "kubectl.kubernetes.io/",
    "kuma.io/",
    "linkerd.io/",
    "networking.istio.io/",
    "networking.knative.dev/",
    "networking.kserve.io/",
    "pod-security.kubernetes.io/",
    "prometheus.kserve.io/",
    "proxy.istio.io/",
    "queue.sidecar.serving.knative.dev/",
    "recommender.dev/",
    "seccomp.security.alpha.kubernetes.io/",
    "security.istio.io/",
    "serving.knative.dev/",
    "serving.kserve.io/",
    "sidecar.istio.io/",
    "sidecar.opentelemetry.io/",
    "traffic.sidecar.istio.io/",
    "trainer.kubeflow.org/",
    "vault.hashicorp.com/",
)
#: Keys without a prefix that KServe, Knative, Deployments and Jobs select pods by.
TAKEN = (
    "app",
    "component",
    "controller-uid",
    "job-name",
    "pod-template-hash",
    "controller-revision-hash",
)
#: A label key; a schema has no pattern for the keys of a map.
_KEY = r"r'^([a-z0-9][-a-z0-9.]*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'"


def _keys(field: str) -> tuple[tuple[str, str], ...]:
    prefixes = ", ".join(f"'{prefix}'" for prefix in RESERVED)
    taken = ", ".join(f"'{key}'" for key in TAKEN)
    return (
        (
            f"self.all(k, !(k in [{taken}]) && ![{prefixes}].exists(p, k.startsWith(p)))",
            f"{field} has a key that is reserved for Kubernetes, KServe, Knative, JobSet, a "
            "service mesh or this operator",
        ),
        (
            f"self.all(k, k.matches({_KEY}))",
            f"the keys of {field} must be label keys, such as team or example.com/team",
        ),
    )


_TOLERATIONS = (
    (
        "self.all(t, has(t.key) || has(t.operator) && t.operator == 'Exists')",
        "a toleration without a key requires the operator Exists",
    ),
    (
        "self.all(t, !has(t.value) || t.value == '' || !has(t.operator) || "
        "t.operator != 'Exists')",
        "a toleration with the operator Exists must not have a value",
    ),
    (
        "self.all(t, !has(t.tolerationSeconds) || has(t.effect) && t.effect == 'NoExecute')",
        "tolerationSeconds requires the effect NoExecute",
    ),
)
_VALUES = (
    "self.operator in ['Exists', 'DoesNotExist'] ? !has(self.values) || size(self.values) == 0 "
    ": has(self.values) && size(self.values) > 0",
    "values of a requirement: at least one with In and NotIn, none with Exists and DoesNotExist",
)
_NUMBER = (
    "!(self.operator in ['Gt', 'Lt']) || has(self.values) && size(self.values) == 1 && "
    "self.values[0].matches(r'^[0-9]+$')",
    "Gt and Lt require one integer as values",
)
_AFFINITY = {
    "nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[]."
    "matchExpressions[]": (_VALUES, _NUMBER),
    "nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[].preference."
    "matchExpressions[]": (_VALUES, _NUMBER),
    **{
        f"{kind}.{path}.labelSelector.matchExpressions[]": (_VALUES,)
        for kind in ("podAffinity", "podAntiAffinity")
        for path in (
            "requiredDuringSchedulingIgnoredDuringExecution[]",
            "preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm",
        )
    },
}


def rules(path: str) -> Rules:
    """Return the rules of the section `scheduling` at a path, such as `spec.serving`."""
    name = f"{path.removeprefix('spec.')}.scheduling"
    return {
        f"{path}.scheduling.nodeSelector": _keys(f"{name}.nodeSelector")[1:],
        f"{path}.scheduling.podLabels": _keys(f"{name}.podLabels"),
        f"{path}.scheduling.podAnnotations": _keys(f"{name}.podAnnotations"),
        f"{path}.scheduling.tolerations": _TOLERATIONS,
        f"{path}.scheduling.priorityClassName": (
            (
                "!self.startsWith('system-')",
                f"{name}.priorityClassName must not be a class of the system (system-...)",
            ),
        ),
        **{f"{path}.scheduling.affinity.{at}": pair for at, pair in _AFFINITY.items()},
    }

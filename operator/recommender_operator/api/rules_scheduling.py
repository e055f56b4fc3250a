"""CEL rules of `scheduling`: keys that pods may have, tolerations and affinity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recommender_operator.api.spec_affinity import MAX_KEY

Rules = Mapping[str, Sequence[tuple[str, str]]]

#: Domains of controllers: keys whose prefix is one of them, or ends in it, are reserved.
DOMAINS = (
    "cncf.io",
    "istio.io",
    "k8s.ovn.org",
    "knative.dev",
    "kserve.io",
    "linkerd.io",
    "multus-cni.io",
    "projectcalico.org",
)
#: Beginnings of keys that other controllers read, or that would add containers to a pod.
RESERVED = (
    "admission.datadoghq.com/",
    "app.kubernetes.io/managed-by",
    "apparmor.security.beta.kubernetes.io/",
    "appmesh.k8s.aws/",
    "batch.kubernetes.io/",
    "consul.hashicorp.com/",
    "container.apparmor.security.beta.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "dapr.io/",
    "instrumentation.opentelemetry.io/",
    "jobset.sigs.k8s.io/",
    "kubectl.kubernetes.io/",
    "kuma.io/",
    "pod-security.kubernetes.io/",
    "recommender.dev/",
    "seccomp.security.alpha.kubernetes.io/",
    "sidecar.jaegertracing.io/",
    "sidecar.opentelemetry.io/",
    "trainer.kubeflow.org/",
    "vault.hashicorp.com/",
    "vault.security.banzaicloud.io/",
)
#: Selectors of applications commonly have such labels.
OF_LABELS = ("app.kubernetes.io/",)
#: Annotations that give a pod an identity of a cloud, beside the listed service accounts.
OF_ANNOTATIONS = ("azure.workload.identity/", "iam.amazonaws.com/")
#: Keys without a prefix that KServe, Knative, Deployments and Jobs select pods by.
TAKEN = (
    "app",
    "component",
    "controller-uid",
    "job-name",
    "pod-template-hash",
    "controller-revision-hash",
)
#: Labels without a prefix that give an identity of a cloud, or that parts of a cluster have.
TAKEN_LABELS = ("aadpodidbinding", "k8s-app")
#: A label key; a schema has no pattern for the keys of a map.
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
KEY = rf"^({_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$"


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(f"'{text}'" for text in texts) + "]"


def _unreserved(field: str, prefixes: Sequence[str], taken: Sequence[str]) -> tuple[str, str]:
    domains = [f".{domain}/" for domain in DOMAINS]
    return (
        f"self.all(k, !(k in {_list(taken)}) && "
        f"!{_list(prefixes)}.exists(p, k.startsWith(p)) && "
        f"!{_list(domains)}.exists(d, ('.' + k).contains(d)))",
        f"{field} has a key that is reserved for Kubernetes, KServe, Knative, JobSet, a "
        "service mesh, a network, an identity, an injector or this operator",
    )


def _keys(field: str) -> tuple[str, str]:
    return (
        f"self.all(k, size(k) <= {MAX_KEY} && k.matches(r'{KEY}'))",
        f"the keys of {field} must be label keys, such as team or example.com/team",
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
        f"{path}.scheduling.nodeSelector": (_keys(f"{name}.nodeSelector"),),
        f"{path}.scheduling.podLabels": (
            _unreserved(f"{name}.podLabels", (*RESERVED, *OF_LABELS), (*TAKEN, *TAKEN_LABELS)),
            _keys(f"{name}.podLabels"),
        ),
        f"{path}.scheduling.podAnnotations": (
            _unreserved(f"{name}.podAnnotations", (*RESERVED, *OF_ANNOTATIONS), TAKEN),
            _keys(f"{name}.podAnnotations"),
        ),
        f"{path}.scheduling.tolerations": _TOLERATIONS,
        f"{path}.scheduling.priorityClassName": (
            (
                "!self.startsWith('system-')",
                f"{name}.priorityClassName must not be a class of the system (system-...)",
            ),
        ),
        **{f"{path}.scheduling.affinity.{at}": pair for at, pair in _AFFINITY.items()},
    }

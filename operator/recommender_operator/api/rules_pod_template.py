"""CEL rules of `podTemplate`: keys of labels and annotations, and the priority.

CEL does not see tolerations and affinity, which have no schema: `pod_scheduling` checks them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recommender_operator.api.pod_scheduling import MAX_KEY

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


def rules(path: str) -> Rules:
    """Return the rules of the pod template at a path, such as `spec.serving`."""
    at, name = f"{path}.podTemplate", f"{path.removeprefix('spec.')}.podTemplate"
    labels, annotations = f"{name}.metadata.labels", f"{name}.metadata.annotations"
    return {
        f"{at}.spec.nodeSelector": (_keys(f"{name}.spec.nodeSelector"),),
        f"{at}.metadata.labels": (
            _unreserved(labels, (*RESERVED, *OF_LABELS), (*TAKEN, *TAKEN_LABELS)),
            _keys(labels),
        ),
        f"{at}.metadata.annotations": (
            _unreserved(annotations, (*RESERVED, *OF_ANNOTATIONS), TAKEN),
            _keys(annotations),
        ),
        f"{at}.spec.priorityClassName": (
            (
                "!self.startsWith('system-')",
                f"{name}.spec.priorityClassName must not be a class of the system (system-...)",
            ),
        ),
    }

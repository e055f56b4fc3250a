"""The kinds of objects that the operator reads and writes, besides pods."""

from __future__ import annotations

from recommender_contract.api_names import API_VERSION, GROUP
from recommender_operator.controller.kube import Resource

MODELS = Resource(GROUP, API_VERSION, "recommendermodels")
VERSIONS = Resource(GROUP, API_VERSION, "modelversions")
BASELINES = Resource(GROUP, API_VERSION, "counterbaselines")
JOBS = Resource("batch", "v1", "jobs")
CLAIMS = Resource("", "v1", "persistentvolumeclaims")
EVENTS = Resource("", "v1", "events")
INFERENCE_SERVICES = Resource("serving.kserve.io", "v1beta1", "inferenceservices")
HTTP_ROUTES = Resource("gateway.networking.k8s.io", "v1", "httproutes")
GRPC_ROUTES = Resource("gateway.networking.k8s.io", "v1", "grpcroutes")
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies")
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers")
SCALED_OBJECTS = Resource("keda.sh", "v1alpha1", "scaledobjects")
REVISIONS = Resource("serving.knative.dev", "v1", "revisions")
CONFIGURATIONS = Resource("serving.knative.dev", "v1", "configurations")
KNATIVE_SERVICES = Resource("serving.knative.dev", "v1", "services")
REPLICA_SETS = Resource("apps", "v1", "replicasets")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
TRAIN_JOBS = Resource("trainer.kubeflow.org", "v1alpha1", "trainjobs")
TRAINING_RUNTIMES = Resource("trainer.kubeflow.org", "v1alpha1", "trainingruntimes")
JOB_SETS = Resource("jobset.x-k8s.io", "v1alpha2", "jobsets")
#: Kinds of the resources that the operator writes.
KINDS = {
    MODELS: "RecommenderModel",
    VERSIONS: "ModelVersion",
    JOBS: "Job",
    BASELINES: "CounterBaseline",
    INFERENCE_SERVICES: "InferenceService",
    HTTP_ROUTES: "HTTPRoute",
    BUDGETS: "PodDisruptionBudget",
    NETWORK_POLICIES: "NetworkPolicy",
    AUTOSCALERS: "HorizontalPodAutoscaler",
    SCALED_OBJECTS: "ScaledObject",
    TRAIN_JOBS: "TrainJob",
    TRAINING_RUNTIMES: "TrainingRuntime",
}

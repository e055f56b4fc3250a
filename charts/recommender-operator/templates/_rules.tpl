{{- /*
What the operator does in a namespace with models: the verbs that its code uses and no others, which
a test compares. Server-side apply is `patch`, and `create` as well where the object is new.
*/ -}}
{{- define "recommender-operator.rules" -}}
# The finalizer is in the metadata of the models.
- apiGroups: [recommender.dev]
  resources: [recommendermodels]
  verbs: [get, list, watch, patch]
- apiGroups: [recommender.dev]
  resources: [modelversions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [recommender.dev]
  resources: [recommendermodels/status, modelversions/status]
  verbs: [patch]
# The pipeline: check, train, publish, remove, snapshot. Jobs go with their owner, but for a snapshot
# of a model whose data go: nothing may write to them while they are removed.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# A training of several workers, where Kubeflow Trainer v2 is; without it the rule speaks of nothing.
- apiGroups: [trainer.kubeflow.org]
  resources: [trainjobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [trainer.kubeflow.org]
  resources: [trainingruntimes]
  verbs: [get, create, delete]
# Counters and smoke inferences are asked of the pods' addresses; logs explain failed Jobs.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
# Whose a pod is: its controllers are followed up to the version, for labels can be anybody's.
- apiGroups: [apps]
  resources: [replicasets, deployments]
  verbs: [get]
- apiGroups: [jobset.x-k8s.io]
  resources: [jobsets]
  verbs: [get]
- apiGroups: [serving.knative.dev]
  resources: [configurations, services]
  verbs: [get]
# Baselines of counters.
- apiGroups: [recommender.dev]
  resources: [counterbaselines]
  verbs: [list, watch, create, patch, delete]
# The claims that a model names, by name: whether they are there and can be used, and their labels.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [serving.kserve.io]
  resources: [inferenceservices]
  verbs: [get, list, watch, create, patch, delete]
# What KServe makes of an InferenceService in Knative mode.
- apiGroups: [serving.knative.dev]
  resources: [revisions]
  verbs: [get, list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
# Whether another route has the host that a model asks for.
- apiGroups: [gateway.networking.k8s.io]
  resources: [grpcroutes]
  verbs: [list]
{{- end -}}

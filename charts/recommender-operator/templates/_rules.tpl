{{- /*
What the operator does in a namespace with models: the verbs that its code uses and no others, which
a test compares. Server-side apply is `patch`, and `create` as well where the object is new.
*/ -}}
{{- define "recommender-operator.rules" -}}
# The finalizer of the models that this release manages.
- apiGroups: [recommender.dev]
  resources: [recommendermodels]
  verbs: [get, list, watch, patch]
- apiGroups: [recommender.dev]
  resources: [modelversions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [recommender.dev]
  resources: [recommendermodels/status, modelversions/status]
  verbs: [patch]
# The pipeline: check, train, publish, remove, snapshot. Jobs are deleted with their owner, except
# that the operator deletes snapshot Jobs before it removes a model's data.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# A training of several workers, with Kubeflow Trainer v2; without it the rule has no effect.
- apiGroups: [trainer.kubeflow.org]
  resources: [trainjobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [trainer.kubeflow.org]
  resources: [trainingruntimes]
  verbs: [get, create, delete]
# Pod addresses for counters and smoke inferences; logs of failed Jobs.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
# Ownership of pods: their controllers, up to the version, because anybody can set labels.
- apiGroups: [apps]
  resources: [replicasets, deployments]
  verbs: [get]
- apiGroups: [jobset.x-k8s.io]
  resources: [jobsets]
  verbs: [get]
- apiGroups: [serving.knative.dev]
  resources: [configurations, services]
  verbs: [get]
# Counter baselines.
- apiGroups: [recommender.dev]
  resources: [counterbaselines]
  verbs: [get, list, watch, create, patch, delete]
# The claims of a model, by name: whether they exist and are usable, and their labels.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [serving.kserve.io]
  resources: [inferenceservices]
  verbs: [get, list, watch, create, patch, delete]
# One pod of a served version at a time may be evicted. They are deleted with its InferenceService.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
# What the pods of models reach, and who reaches Triton. They are deleted with their owner as well.
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch]
# Numbers of pods under load. They are deleted with the InferenceService too.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch{{ if .Values.keda.enabled }}, delete{{ end }}]
{{- if .Values.keda.enabled }}
# The same by KEDA; a model may change from one to the other, so both may be deleted.
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
# Objects that KServe creates for an InferenceService in Knative mode.
- apiGroups: [serving.knative.dev]
  resources: [revisions]
  verbs: [get, list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
# Whether another route uses a model's host.
- apiGroups: [gateway.networking.k8s.io]
  resources: [grpcroutes]
  verbs: [list]
{{- end -}}

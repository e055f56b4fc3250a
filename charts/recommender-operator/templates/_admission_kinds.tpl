{{- /*
The bodies of the policies, by the kinds that they speak of: (dict "root" $ "image" IMAGE).
*/ -}}

{{- /* Everything that the operator creates, changes or deletes is its own. */ -}}
{{- define "recommender-operator.objectsPolicy" -}}
matchConstraints:
  resourceRules:
    - apiGroups: [batch]
      apiVersions: [v1]
      operations: [CREATE, UPDATE, DELETE]
      resources: [jobs]
    - apiGroups: [trainer.kubeflow.org]
      apiVersions: [v1alpha1]
      operations: [CREATE, UPDATE, DELETE]
      resources: [trainjobs, trainingruntimes]
    - apiGroups: [serving.kserve.io]
      apiVersions: [v1beta1]
      operations: [CREATE, UPDATE, DELETE]
      resources: [inferenceservices]
    - apiGroups: [gateway.networking.k8s.io]
      apiVersions: [v1]
      operations: [CREATE, UPDATE, DELETE]
      resources: [httproutes]
    - apiGroups: [recommender.dev]
      apiVersions: [v1alpha1]
      operations: [CREATE, UPDATE, DELETE]
      resources: [modelversions, modelversions/status, counterbaselines]
{{ include "recommender-operator.ownedOnly" (dict
  "owner" "r.apiVersion.startsWith('recommender.dev/') && r.kind in ['RecommenderModel', 'ModelVersion']"
  "owners" "RecommenderModel and no ModelVersion") }}
{{- end -}}

{{- /* The budgets of a version end with its InferenceService. */ -}}
{{- define "recommender-operator.budgetsPolicy" -}}
matchConstraints:
  resourceRules:
    - apiGroups: [policy]
      apiVersions: [v1]
      operations: [CREATE, UPDATE, DELETE]
      resources: [poddisruptionbudgets]
{{ include "recommender-operator.ownedOnly" (dict
  "owner" "r.apiVersion.startsWith('serving.kserve.io/') && r.kind == 'InferenceService'"
  "owners" "InferenceService") }}
{{- end -}}

{{- /* So do the policies of its pods, which select these and no others. That of Jobs is the model's,
and in Knative mode one selects the pods of all revisions. */ -}}
{{- define "recommender-operator.networkPolicy" -}}
matchConstraints:
  resourceRules:
    - apiGroups: [networking.k8s.io]
      apiVersions: [v1]
      operations: [CREATE, UPDATE, DELETE]
      resources: [networkpolicies]
{{ include "recommender-operator.ownedOnly" (dict
  "owner" "((r.apiVersion.startsWith('serving.kserve.io/') && r.kind == 'InferenceService') || (r.apiVersion.startsWith('recommender.dev/') && r.kind == 'RecommenderModel'))"
  "owners" "InferenceService and no RecommenderModel") }}
  - expression: >-
      request.operation == 'DELETE' || (has(object.spec.podSelector.matchLabels)
      && (['app.kubernetes.io/managed-by', 'recommender.dev/model']
      + ('recommender.dev/version' in object.metadata.labels ? ['recommender.dev/version'] : [])).all(key,
      key in object.spec.podSelector.matchLabels
      && object.spec.podSelector.matchLabels[key] == object.metadata.labels[key])
      && ('recommender.dev/version' in object.metadata.labels
      || (has(object.spec.podSelector.matchExpressions) && object.spec.podSelector.matchExpressions.exists(e,
      e.key in ['recommender.dev/job-kind', 'serving.knative.dev/revision'] && e.operator == 'Exists'))))
    {{- include "recommender-operator.refusal" "it selects pods other than those of its version, or the Jobs or revisions of its model" | nindent 4 }}
{{- end -}}

{{- /* And its autoscalers, which scale its two Deployments and nothing else. */ -}}
{{- define "recommender-operator.autoscalersPolicy" -}}
matchConstraints:
  resourceRules:
    - apiGroups: [autoscaling]
      apiVersions: ["*"]
      operations: [CREATE, UPDATE, DELETE]
      resources: [horizontalpodautoscalers]
{{ include "recommender-operator.ownedOnly" (dict
  "owner" "r.apiVersion.startsWith('serving.kserve.io/') && r.kind == 'InferenceService'"
  "owners" "InferenceService") }}
  - expression: >-
      request.operation == 'DELETE' || (object.spec.scaleTargetRef.kind == 'Deployment'
      && 'recommender.dev/version' in object.metadata.labels
      && object.spec.scaleTargetRef.name in ['predictor', 'transformer'].map(c,
      object.metadata.labels['recommender.dev/version'] + '-' + c))
    {{- include "recommender-operator.refusal" "it scales something else than a Deployment of its version" | nindent 4 }}
{{- end -}}

{{- /*
And KEDA's, which ask no server but the installation's, with no secret. KEDA makes an autoscaler of
the name that they give, so it is theirs.
*/ -}}
{{- define "recommender-operator.scaledobjectsPolicy" -}}
{{- $server := .root.Values.keda.prometheusUrl | trimSuffix "/" -}}
matchConstraints:
  resourceRules:
    - apiGroups: [keda.sh]
      apiVersions: ["*"]
      operations: [CREATE, UPDATE, DELETE]
      resources: [scaledobjects]
{{ include "recommender-operator.ownedOnly" (dict
  "owner" "r.apiVersion.startsWith('serving.kserve.io/') && r.kind == 'InferenceService'"
  "owners" "InferenceService") }}
  - expression: >-
      request.operation == 'DELETE' || (has(object.spec.scaleTargetRef.kind)
      && object.spec.scaleTargetRef.kind == 'Deployment'
      && 'recommender.dev/version' in object.metadata.labels
      && object.spec.scaleTargetRef.name in ['predictor', 'transformer'].map(c,
      object.metadata.labels['recommender.dev/version'] + '-' + c))
    {{- include "recommender-operator.refusal" "it scales something else than a Deployment of its version" | nindent 4 }}
  - expression: >-
      request.operation == 'DELETE' || (has(object.spec.advanced)
      && has(object.spec.advanced.horizontalPodAutoscalerConfig)
      && has(object.spec.advanced.horizontalPodAutoscalerConfig.name)
      && object.spec.advanced.horizontalPodAutoscalerConfig.name == object.metadata.name)
    {{- include "recommender-operator.refusal" "its autoscaler must have its own name" | nindent 4 }}
  - expression: >-
      request.operation == 'DELETE' || object.spec.triggers.all(t, !has(t.authenticationRef)
      && (t.type in ['cpu', 'cron'] || (t.type == 'prometheus'
      && 'serverAddress' in t.metadata && t.metadata.serverAddress == {{ $server | squote }})))
    {{- include "recommender-operator.refusal" "it may scale by CPU, by times, and by what keda.prometheusUrl of the chart answers" | nindent 4 }}
{{- end -}}

{{- /* The operator's own pods run the training image, and nothing else. */ -}}
{{- define "recommender-operator.jobsPolicy" -}}
matchConstraints:
  resourceRules:
    - apiGroups: [batch]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [jobs]
variables:
  - name: pods
    expression: "[object.spec.template.spec]"
  - name: containers
    expression: >-
      variables.pods.map(p, p.containers + (has(p.initContainers) ? p.initContainers : []))
  {{- include "recommender-operator.accounts" . | nindent 2 }}
validations:
  - expression: >-
      variables.pods.all(p, size(p.containers) == 1 && p.containers.all(c, c.name == 'main')
      && (!has(p.initContainers) || p.initContainers.all(c, c.name == 'prepare')))
      && variables.containers.all(cs, cs.all(c, c.image == {{ .image | squote }}))
    {{- include "recommender-operator.refusal" (printf "its pods must have one container, main, and may have the init container prepare, with the image %s" .image) | nindent 4 }}
  {{- include "recommender-operator.podRules" . | nindent 2 }}
{{- end -}}

{{- define "recommender-operator.runtimesPolicy" -}}
matchConstraints:
  resourceRules:
    - apiGroups: [trainer.kubeflow.org]
      apiVersions: [v1alpha1]
      operations: [CREATE, UPDATE]
      resources: [trainingruntimes]
variables:
  - name: pods
    expression: object.spec.template.spec.replicatedJobs.map(j, j.template.spec.template.spec)
  - name: containers
    expression: >-
      variables.pods.map(p, p.containers + (has(p.initContainers) ? p.initContainers : []))
  {{- include "recommender-operator.accounts" . | nindent 2 }}
validations:
  - expression: >-
      variables.containers.all(cs, size(cs) == 1 && cs.all(c, c.name == 'node' && c.image == {{ .image | squote }}))
    {{- include "recommender-operator.refusal" (printf "its pods must have one container, node, with the image %s" .image) | nindent 4 }}
  {{- include "recommender-operator.podRules" . | nindent 2 }}
{{- end -}}

{{- define "recommender-operator.trainjobsPolicy" -}}
matchConstraints:
  resourceRules:
    - apiGroups: [trainer.kubeflow.org]
      apiVersions: [v1alpha1]
      operations: [CREATE, UPDATE]
      resources: [trainjobs]
validations:
  - expression: object.spec.runtimeRef.kind == 'TrainingRuntime' && object.spec.runtimeRef.name == object.metadata.name
    {{- include "recommender-operator.refusal" "it must use the TrainingRuntime of its own name" | nindent 4 }}
  # They would change the pods of the runtime.
  - expression: >-
      !has(object.spec.podTemplateOverrides) && !has(object.spec.runtimePatches) && !has(object.spec.initializer)
      && (!has(object.spec.trainer) || (!has(object.spec.trainer.image) && !has(object.spec.trainer.command)
      && !has(object.spec.trainer.args) && !has(object.spec.trainer.env)))
    {{- include "recommender-operator.refusal" "it overrides the pods of its runtime" | nindent 4 }}
{{- end -}}

{{- define "recommender-operator.servicesPolicy" -}}
matchConstraints:
  resourceRules:
    - apiGroups: [serving.kserve.io]
      apiVersions: [v1beta1]
      operations: [CREATE, UPDATE]
      resources: [inferenceservices]
variables:
  - name: pods
    expression: "[object.spec.predictor] + (has(object.spec.transformer) ? [object.spec.transformer] : [])"
  - name: beside
    expression: >-
      (has(object.spec.predictor.containers) ? object.spec.predictor.containers : [])
      + (has(object.spec.predictor.initContainers) ? object.spec.predictor.initContainers : [])
  - name: answering
    expression: >-
      has(object.spec.transformer) ? (has(object.spec.transformer.containers) ? object.spec.transformer.containers : [])
      + (has(object.spec.transformer.initContainers) ? object.spec.transformer.initContainers : []) : []
  - name: containers
    expression: "[(has(object.spec.predictor.model) ? [object.spec.predictor.model] : []) + variables.beside + variables.answering]"
  {{- include "recommender-operator.accounts" . | nindent 2 }}
validations:
  - expression: >-
      variables.beside.all(c, c.name in ['transformer-container', 'verify-artifact'] && c.image == {{ .image | squote }})
    {{- include "recommender-operator.refusal" (printf "beside the model server it may run transformer-container and verify-artifact alone, with the image %s" .image) | nindent 4 }}
  - expression: >-
      !has(object.spec.transformer) || (size(variables.answering) == 1
      && variables.answering.all(c, c.name == 'kserve-container' && c.image == {{ .image | squote }}))
    {{- include "recommender-operator.refusal" (printf "its transformer may run kserve-container alone, with the image %s" .image) | nindent 4 }}
  - expression: >-
      has(object.spec.predictor.model) && has(object.spec.predictor.model.runtime)
      && object.spec.predictor.model.runtime == {{ .root.Values.runtime.name | squote }}
      && !has(object.spec.predictor.model.image) && !has(object.spec.predictor.model.command)
      && !has(object.spec.predictor.model.args)
    {{- include "recommender-operator.refusal" (printf "its model must be served by the runtime %s as it is, without image, command or args of its own" .root.Values.runtime.name) | nindent 4 }}
  # Other kinds of storage read a Secret.
  - expression: >-
      has(object.spec.predictor.model) && has(object.spec.predictor.model.storageUri)
      && object.spec.predictor.model.storageUri.startsWith('pvc://') && !has(object.spec.predictor.model.storage)
      && !has(object.spec.predictor.storageUris) && !has(object.spec.predictor.storageContainerName)
    {{- include "recommender-operator.refusal" "its model must come from a PersistentVolumeClaim" | nindent 4 }}
  - expression: >-
      !has(object.spec.explainer) && !has(object.spec.predictor.workerSpec) && !has(object.spec.predictor.logger)
      && (!has(object.spec.transformer) || (!has(object.spec.transformer.logger) && !has(object.spec.transformer.storageUris)))
    {{- include "recommender-operator.refusal" "it has a part beside predictor and transformer, or one that logs or downloads" | nindent 4 }}
  {{- $secret := "" }}
  {{- if .root.Values.collector.enabled }}
  {{- $secret = include "recommender-collector.servingSecret" .root }}
  {{- end }}
  {{- $secrets := (include "recommender-operator.secrets" .root | fromJson).all }}
  {{- include "recommender-operator.podRules" (merge (dict "secret" $secret "secrets" $secrets) .) | nindent 2 }}
{{- end -}}

{{- define "recommender-operator.routesPolicy" -}}
{{- $gateway := .root.Values.gateway -}}
matchConstraints:
  resourceRules:
    - apiGroups: [gateway.networking.k8s.io]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [httproutes]
validations:
  - expression: >-
      has(object.spec.parentRefs) && object.spec.parentRefs.all(p,
      (!has(p.group) || p.group == 'gateway.networking.k8s.io') && (!has(p.kind) || p.kind == 'Gateway')
      && p.name == {{ $gateway.name | squote }} && 'namespace' in p && p['namespace'] == {{ $gateway.namespace | squote }}
      {{- if $gateway.sectionName }}
      && has(p.sectionName) && p.sectionName == {{ $gateway.sectionName | squote }}
      {{- end }})
    {{- include "recommender-operator.refusal" (printf "its parent must be the Gateway %s/%s%s" $gateway.namespace $gateway.name (empty $gateway.sectionName | ternary "" (printf ", listener %s" $gateway.sectionName))) | nindent 4 }}
  - expression: >-
      !has(object.spec.rules) || object.spec.rules.all(r, !has(r.backendRefs) || r.backendRefs.all(b,
      !('namespace' in b) || b['namespace'] == request.namespace))
    {{- include "recommender-operator.refusal" "it sends requests to another namespace" | nindent 4 }}
{{- end -}}

{{- /* The finalizer is the operator's; all else of a model but its status is people's. */ -}}
{{- define "recommender-operator.modelsPolicy" -}}
matchConstraints:
  resourceRules:
    - apiGroups: [recommender.dev]
      apiVersions: [v1alpha1]
      operations: [UPDATE]
      resources: [recommendermodels]
validations:
  - expression: object.spec == oldObject.spec
    {{- include "recommender-operator.refusal" "it changes the spec" | nindent 4 }}
  - expression: >-
      (has(object.metadata.labels) ? object.metadata.labels : {}) == (has(oldObject.metadata.labels) ? oldObject.metadata.labels : {})
      && (has(object.metadata.ownerReferences) ? object.metadata.ownerReferences : []) == (has(oldObject.metadata.ownerReferences) ? oldObject.metadata.ownerReferences : [])
    {{- include "recommender-operator.refusal" "it changes labels or owners" | nindent 4 }}
  - expression: >-
      (has(object.metadata.annotations) ? object.metadata.annotations : {}) == (has(oldObject.metadata.annotations) ? oldObject.metadata.annotations : {})
    {{- include "recommender-operator.refusal" "it changes annotations" | nindent 4 }}
  - expression: >-
      (has(object.metadata.finalizers) ? object.metadata.finalizers : []).filter(f, f != 'recommender.dev/operator')
      == (has(oldObject.metadata.finalizers) ? oldObject.metadata.finalizers : []).filter(f, f != 'recommender.dev/operator')
    {{- include "recommender-operator.refusal" "it changes finalizers other than recommender.dev/operator" | nindent 4 }}
{{- end -}}

{{- define "recommender-operator.eventsPolicy" -}}
matchConstraints:
  resourceRules:
    - apiGroups: [""]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [events]
variables:
  - name: states
    expression: "request.operation == 'CREATE' ? [object] : [oldObject, object]"
validations:
  - expression: >-
      variables.states.all(o, has(o.involvedObject.apiVersion) && o.involvedObject.apiVersion.startsWith('recommender.dev/'))
    {{- include "recommender-operator.refusal" "it speaks of an object that is not of recommender.dev" | nindent 4 }}
{{- end -}}

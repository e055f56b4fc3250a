{{- /*
One policy and its binding: (dict "root" $ "part" "jobs" "body" TEXT), TEXT being resourceRules,
variables and validations. The names hold the release's namespace, as policies are cluster-scoped.
*/ -}}
{{- define "recommender-operator.policy" -}}
{{- $name := printf "%s-%s.%s" (include "recommender-operator.rightsName" .root) .part .root.Release.Namespace -}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ $name }}
  labels:
    {{- include "recommender-operator.labels" .root | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConditions:
    - name: the-operators-account
      expression: request.userInfo.username == 'system:serviceaccount:{{ .root.Release.Namespace }}:{{ include "recommender-operator.serviceAccountName" .root }}'
  {{- .body | nindent 2 }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ $name }}
  labels:
    {{- include "recommender-operator.labels" .root | nindent 4 }}
spec:
  policyName: {{ $name }}
  validationActions: [Deny]
{{- end -}}

{{- /* What a refusal says: which write, and the rule that it breaks. */ -}}
{{- define "recommender-operator.refusal" -}}
messageExpression: >-
  'the recommender operator may not ' + request.operation.lowerAscii() + ' ' + request.resource.resource + ' ' + request.name + ': {{ . }}'
reason: Forbidden
{{- end -}}

{{- /*
The whole object is the operator's own, before and after the write. The kinds are given by the
resourceRules.
*/ -}}
{{- define "recommender-operator.ownedOnly" -}}
variables:
  # The object after and before the write.
  - name: states
    expression: >-
      request.operation == 'CREATE' ? [object] : request.operation == 'DELETE' ? [oldObject] : [oldObject, object]
validations:
  - expression: >-
      variables.states.all(o, has(o.metadata.labels)
      && 'app.kubernetes.io/managed-by' in o.metadata.labels
      && o.metadata.labels['app.kubernetes.io/managed-by'] == 'recommender-operator'
      && 'recommender.dev/model' in o.metadata.labels)
    {{- include "recommender-operator.refusal" "it lacks the labels app.kubernetes.io/managed-by=recommender-operator and recommender.dev/model" | nindent 4 }}
  - expression: >-
      request.operation == 'DELETE' || (has(object.metadata.ownerReferences)
      && object.metadata.ownerReferences.exists(r, has(r.controller) && r.controller
      && {{ .owner }}))
    {{- include "recommender-operator.refusal" (printf "no %s controls it" .owners) | nindent 4 }}
  - expression: >-
      request.operation == 'CREATE' || !has(oldObject.metadata.ownerReferences)
      || oldObject.metadata.ownerReferences.all(r, !has(r.controller) || !r.controller
      || ({{ .owner }} && (request.operation == 'DELETE'
      || (has(object.metadata.ownerReferences) && object.metadata.ownerReferences.exists(n, n.uid == r.uid)))))
    {{- include "recommender-operator.refusal" "its controller is another one" | nindent 4 }}
{{- end -}}

{{- /*
What holds for every pod that the operator has made. Of the variables, pods is a list of pod specs,
containers a list of lists of containers, and accounts those that pods of the namespace may use.
*/ -}}
{{- define "recommender-operator.accounts" -}}
- name: accounts
  expression: >-
    ['', 'default']
    {{- with .root.Values.scheduling.serviceAccounts }}
    + (request.namespace in {{ toJson . }} ? {{ toJson . }}[request.namespace] : [])
    {{- end }}
{{- end -}}
{{- /* Entries of Secrets that transformers may mount, as JSON: {"all": [{name, entry, namespace}]}. */ -}}
{{- define "recommender-operator.secrets" -}}
{{- $found := list -}}
{{- if .Values.collector.enabled -}}
{{- with include "recommender-collector.storeSecret" . -}}
{{- $entry := "'reader-' + (has(object.metadata.labels) && 'recommender.dev/model' in object.metadata.labels ? object.metadata.labels['recommender.dev/model'] : '')" -}}
{{- with include "recommender-collector.storeEntry" $ -}}
{{- $entry = . | squote -}}
{{- end -}}
{{- $found = append $found (dict "name" . "entry" $entry "namespace" $.Release.Namespace) -}}
{{- end -}}
{{- with .Values.collector.store.tls.secretName -}}
{{- $found = append $found (dict "name" . "entry" "'ca.crt'" "namespace" $.Release.Namespace) -}}
{{- end -}}
{{- end -}}
{{- with .Values.transformer.logUserKey -}}
{{- if .secretName -}}
{{- $found = append $found (dict "name" .secretName "entry" (squote .secretKey)) -}}
{{- end -}}
{{- end -}}
{{- dict "all" $found | toJson -}}
{{- end -}}
{{- define "recommender-operator.podRules" -}}
- expression: >-
    variables.pods.all(p, (!has(p.serviceAccountName) || p.serviceAccountName in variables.accounts)
    && (!has(p.serviceAccount) || p.serviceAccount in variables.accounts))
  {{- include "recommender-operator.refusal" "its pods use a service account that scheduling.serviceAccounts of the chart does not list for this namespace" | nindent 2 }}
- expression: >-
    variables.pods.all(p, has(p.automountServiceAccountToken) && !p.automountServiceAccountToken)
  {{- include "recommender-operator.refusal" "its pods mount the token of a service account; automountServiceAccountToken must be false" | nindent 2 }}
- expression: >-
    variables.pods.all(p, !has(p.priorityClassName) || !p.priorityClassName.startsWith('system-'))
  {{- include "recommender-operator.refusal" "its pods have a priority of the system" | nindent 2 }}
- expression: >-
    variables.pods.all(p, (!has(p.hostNetwork) || !p.hostNetwork) && (!has(p.hostPID) || !p.hostPID)
    && (!has(p.hostIPC) || !p.hostIPC))
    && variables.containers.all(cs, cs.all(c, !has(c.ports)
    || c.ports.all(port, !has(port.hostPort) || port.hostPort == 0)))
  {{- include "recommender-operator.refusal" "its pods use a namespace or a port of the host" | nindent 2 }}
- expression: >-
    variables.pods.all(p, !has(p.volumes)
    || p.volumes.all(v, has(v.persistentVolumeClaim) || has(v.emptyDir)
    {{- range .secrets }}
    || (has(v.secret) && has(v.secret.items) && size(v.secret.items) == 1
    && v.secret.secretName == {{ .name | squote }} && v.secret.items[0].key == {{ .entry }}{{ with .namespace }} && request.namespace == {{ . | squote }}{{ end }})
    {{- end }}
    {{- with .secret }}
    || (has(v.secret) && v.secret.secretName == {{ . | squote }} && request.namespace == {{ $.root.Release.Namespace | squote }})
    {{- end }}))
  {{- include "recommender-operator.refusal" "its pods have a volume that is neither a persistentVolumeClaim nor an emptyDir, nor an entry of a Secret that the chart gives a transformer" | nindent 2 }}
- expression: >-
    variables.containers.all(cs, cs.all(c, !has(c.envFrom) && (!has(c.env)
    || c.env.all(e, !has(e.valueFrom) || has(e.valueFrom.fieldRef) || has(e.valueFrom.resourceFieldRef)))))
  {{- include "recommender-operator.refusal" "its containers read their environment from a Secret or a ConfigMap" | nindent 2 }}
- expression: >-
    variables.containers.all(cs, cs.all(c, has(c.securityContext)
    && has(c.securityContext.runAsNonRoot) && c.securityContext.runAsNonRoot
    && has(c.securityContext.allowPrivilegeEscalation) && !c.securityContext.allowPrivilegeEscalation
    && (!has(c.securityContext.privileged) || !c.securityContext.privileged)
    && (!has(c.securityContext.capabilities) || !has(c.securityContext.capabilities.add)
    || size(c.securityContext.capabilities.add) == 0)))
  {{- include "recommender-operator.refusal" "its containers are privileged, run as root or may gain privileges" | nindent 2 }}
- expression: >-
    variables.pods.all(p, !has(p.ephemeralContainers) || size(p.ephemeralContainers) == 0)
  {{- include "recommender-operator.refusal" "its pods have an ephemeral container" | nindent 2 }}
{{- end -}}

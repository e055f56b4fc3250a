{{- define "recommender-operator.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-operator" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "recommender-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "recommender-operator.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name: needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "recommender-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "recommender-operator.labels" -}}
{{ include "recommender-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- /*
Name of the roles, the bindings and the policies. It does not hang on the release's name: of two
releases for the same namespace, or for the whole cluster, Helm refuses the second one.
*/ -}}
{{- define "recommender-operator.rightsName" -}}
{{- list .Chart.Name .Values.operator.instance | compact | join "-" -}}
{{- end -}}

{{- /* The namespaces whose models are looked after, joined by commas; empty for all of them. */ -}}
{{- define "recommender-operator.watched" -}}
{{- if .Values.clusterWide -}}
{{- if .Values.watchNamespaces -}}
{{- fail "clusterWide and watchNamespaces exclude each other: leave watchNamespaces empty, or set clusterWide to false" -}}
{{- end -}}
{{- else -}}
{{- .Values.watchNamespaces | default (list .Release.Namespace) | join "," -}}
{{- end -}}
{{- end -}}

{{- /*
Full name of an image: (dict "root" $ "role" "training"). A digest decides what is pulled; a tag
that is given beside it stays in the name, for people.
*/ -}}
{{- define "recommender-operator.image" -}}
{{- $image := index .root.Values.images .role -}}
{{- if $image.digest -}}
{{- printf "%s@%s" (list $image.repository $image.tag | compact | join ":") $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "recommender-operator.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "recommender-operator.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "recommender-operator.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

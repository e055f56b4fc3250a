{{- define "recommender-console.selectorLabels" -}}
app.kubernetes.io/name: recommender-console
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "recommender-console.labels" -}}
{{ include "recommender-console.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

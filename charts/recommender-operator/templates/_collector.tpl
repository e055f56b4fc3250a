{{- /* Selector of a part of the collector: (dict "root" $ "part" "writer"). */ -}}
{{- define "recommender-collector.selectorLabels" -}}
app.kubernetes.io/name: recommender-collector
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "recommender-collector.labels" -}}
{{ include "recommender-collector.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "recommender-collector.name" -}}
{{- printf "%s-%s" (include "recommender-operator.fullname" .root) .part -}}
{{- end -}}

{{- define "recommender-collector.declaration" -}}
{{- $models := .Values.collector.models -}}
{{- if not $models -}}
{{- fail "collector.models is empty: give each model whose events are collected, with its mapping" -}}
{{- end -}}
{{- range $name, $model := $models -}}
{{- if and $model.hashUsers (not $.Values.collector.userKey.secretName) -}}
{{- fail (printf "collector.models.%s.hashUsers needs a key: set collector.userKey.secretName" $name) -}}
{{- end -}}
{{- end -}}
{{- dict "models" $models | toJson -}}
{{- end -}}

{{- define "recommender-collector.storeUrl" -}}
{{- $scheme := ternary "rediss" "redis" (not (empty .Values.collector.store.tls.secretName)) -}}
{{- .Values.collector.store.url | default (printf "%s://%s.%s.svc:6379/0" $scheme (include "recommender-collector.name" (dict "root" . "part" "store")) .Release.Namespace) -}}
{{- end -}}

{{- /*
Secret with the passwords of the store: of its users, or of the default user of an external store;
empty if that has none.
*/ -}}
{{- define "recommender-collector.storeSecret" -}}
{{- $store := .Values.collector.store -}}
{{- if and $store.password.secretName (not $store.url) -}}
{{- fail "collector.store.password is the one password of an external store, and collector.store.url is empty: leave it empty, and the chart makes users with passwords; or name a Secret of yours in collector.store.users.secretName" -}}
{{- end -}}
{{- if and $store.password.secretName $store.users.secretName -}}
{{- fail "collector.store.password and collector.store.users exclude each other: a store has users, or one password" -}}
{{- end -}}
{{- if and $store.tls.secretName $store.url (not (hasPrefix "rediss://" $store.url)) -}}
{{- fail (printf "collector.store.tls has no effect: collector.store.url is %s; give rediss://" $store.url) -}}
{{- end -}}
{{- if $store.url -}}
{{- $store.password.secretName | default $store.users.secretName -}}
{{- else -}}
{{- $store.users.secretName | default (include "recommender-collector.name" (dict "root" . "part" "store-users")) -}}
{{- end -}}
{{- end -}}

{{- /* The entry with the one password of an external store; empty if the store has users. */ -}}
{{- define "recommender-collector.storeEntry" -}}
{{- with .Values.collector.store.password -}}
{{- if .secretName -}}
{{- .secretKey -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Where served models report impressions. */ -}}
{{- define "recommender-collector.url" -}}
{{- if .Values.collector.enabled -}}
{{- printf "http://%s.%s.svc" (include "recommender-collector.name" (dict "root" . "part" "collector")) .Release.Namespace -}}
{{- end -}}
{{- end -}}

{{- /* Where the writer has the folders of the models: claim, or claim/folder. */ -}}
{{- define "recommender-collector.files" -}}
{{- $files := .Values.collector.writer.files -}}
{{- if and .Values.collector.enabled $files.claimName -}}
{{- with $files.subPath }}{{ printf "%s/%s" $files.claimName . }}{{ else }}{{ $files.claimName }}{{ end -}}
{{- end -}}
{{- end -}}

{{- /* The Secret with the token of the admin port. */ -}}
{{- define "recommender-collector.adminSecret" -}}
{{- .Values.collector.adminToken.secretName | default (printf "%s-admin" (include "recommender-collector.name" (dict "root" . "part" "collector"))) -}}
{{- end -}}

{{- /*
The Secret with the keys of the transformers: `key`, which shows the collector who sends impressions,
and `signing`, of request ids.
*/ -}}
{{- define "recommender-collector.servingSecret" -}}
{{- .Values.collector.servingKeys.secretName | default (printf "%s-serving" (include "recommender-collector.name" (dict "root" . "part" "collector"))) -}}
{{- end -}}

{{- /*
An entry of a Secret of the chart: that of the release, or else a random one:
(dict "root" $ "name" "of-the-secret" "key" "token").
*/ -}}
{{- define "recommender-collector.kept" -}}
{{- $secret := lookup "v1" "Secret" .root.Release.Namespace .name | default dict -}}
{{- $kept := get ($secret.data | default dict) .key -}}
{{ .key }}: {{ $kept | default (randAlphaNum 43 | b64enc) | quote }}
{{- end -}}

{{- /* Optional: without the Secret the operator starts, and the collector says what it lacks. */ -}}
{{- define "recommender-collector.adminVolume" -}}
- name: admin-token
  secret:
    secretName: {{ include "recommender-collector.adminSecret" . }}
    optional: true
    items:
      - key: {{ .Values.collector.adminToken.secretKey }}
        path: token
{{- end -}}

{{- /* Where the operator reads experiments: the port that no route reaches. */ -}}
{{- define "recommender-collector.experimentsUrl" -}}
{{- with include "recommender-collector.url" . -}}
{{- printf "%s:9090" . -}}
{{- end -}}
{{- end -}}

{{- define "recommender-collector.environment" -}}
- name: RECOMMENDER_STORE_URL
  value: {{ include "recommender-collector.storeUrl" . }}
- name: RECOMMENDER_STORE_DURABLE
  value: {{ .Values.collector.store.durable | quote }}
{{- if include "recommender-collector.storeSecret" . }}
{{- if not (include "recommender-collector.storeEntry" .) }}
- name: RECOMMENDER_STORE_USER
  value: {{ .part }}
{{- end }}
- name: RECOMMENDER_STORE_PASSWORD_FILE
  value: /etc/recommender-store/password
{{- end }}
{{- if .Values.collector.store.tls.secretName }}
- name: RECOMMENDER_STORE_CA
  value: /etc/recommender-store-ca/ca.crt
{{- end }}
{{- if .Values.collector.userKey.secretName }}
- name: RECOMMENDER_USER_KEY_FILE
  value: /etc/recommender-user-key/key
{{- end }}
{{- if eq .Values.collector.log "Kafka" }}
{{ include "recommender-collector.kafka" .Values.collector.kafka }}
{{- end }}
- name: RECOMMENDER_LOG_LEVEL
  value: {{ .Values.collector.logLevel }}
- name: RECOMMENDER_LOG_FORMAT
  value: {{ .Values.collector.logFormat }}
{{- end -}}

{{- /* Of collector.kafka. */ -}}
{{- define "recommender-collector.kafka" -}}
{{- if not .brokers -}}
{{- fail "collector.log is Kafka: set collector.kafka.brokers" -}}
{{- end -}}
- name: RECOMMENDER_KAFKA_BROKERS
  value: {{ .brokers }}
- name: RECOMMENDER_KAFKA_TOPIC
  value: {{ .topic | quote }}
- name: RECOMMENDER_KAFKA_DURABLE
  value: {{ .durable | quote }}
- name: RECOMMENDER_KAFKA_PROTOCOL
  value: {{ .protocol }}
{{- if hasPrefix "SASL" .protocol }}
{{- if not .credentials.secretName -}}
{{- fail (printf "collector.kafka.protocol is %s: set collector.kafka.credentials.secretName" .protocol) -}}
{{- end }}
- name: RECOMMENDER_KAFKA_MECHANISM
  value: {{ .mechanism }}
- name: RECOMMENDER_KAFKA_USER
  valueFrom:
    secretKeyRef:
      name: {{ .credentials.secretName }}
      key: {{ .credentials.userKey }}
- name: RECOMMENDER_KAFKA_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .credentials.secretName }}
      key: {{ .credentials.passwordKey }}
{{- end }}
{{- if .ca.secretName }}
- name: RECOMMENDER_KAFKA_CA
  value: /etc/recommender-kafka/ca.crt
{{- end }}
{{- if .certificate.secretName }}
{{- if not (hasSuffix "SSL" .protocol) -}}
{{- fail (printf "collector.kafka.certificate is set, but collector.kafka.protocol is %s: set SSL or SASL_SSL" .protocol) -}}
{{- end }}
- name: RECOMMENDER_KAFKA_CERTIFICATE
  value: /etc/recommender-kafka-client/tls.crt
- name: RECOMMENDER_KAFKA_KEY
  value: /etc/recommender-kafka-client/tls.key
{{- end }}
{{- end -}}

{{- /* The Secrets that are mounted for Kafka. */ -}}
{{- define "recommender-collector.kafkaMount" -}}
{{- if eq .Values.collector.log "Kafka" }}
{{- if .Values.collector.kafka.ca.secretName }}
- name: kafka-ca
  mountPath: /etc/recommender-kafka
  readOnly: true
{{- end }}
{{- if .Values.collector.kafka.certificate.secretName }}
- name: kafka-certificate
  mountPath: /etc/recommender-kafka-client
  readOnly: true
{{- end }}
{{- end }}
{{- end -}}

{{- define "recommender-collector.kafkaVolume" -}}
{{- if eq .Values.collector.log "Kafka" }}
{{- with .Values.collector.kafka.ca }}
{{- if .secretName }}
- name: kafka-ca
  secret:
    secretName: {{ .secretName }}
    items:
      - key: {{ .secretKey }}
        path: ca.crt
{{- end }}
{{- end }}
{{- with .Values.collector.kafka.certificate }}
{{- if .secretName }}
- name: kafka-certificate
  secret:
    secretName: {{ .secretName }}
    items:
      - key: {{ .certificateKey }}
        path: tls.crt
      - key: {{ .privateKey }}
        path: tls.key
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* The Secrets that the collector and its writer mount. */ -}}
{{- define "recommender-collector.secretMounts" -}}
{{- if include "recommender-collector.storeSecret" . }}
- name: store-password
  mountPath: /etc/recommender-store
  readOnly: true
{{- end }}
{{- if .Values.collector.store.tls.secretName }}
- name: store-ca
  mountPath: /etc/recommender-store-ca
  readOnly: true
{{- end }}
{{- if .Values.collector.userKey.secretName }}
- name: user-key
  mountPath: /etc/recommender-user-key
  readOnly: true
{{- end }}
{{- include "recommender-collector.kafkaMount" . }}
{{- end -}}

{{- define "recommender-collector.secretVolumes" -}}
{{- with include "recommender-collector.storeSecret" . }}
- name: store-password
  secret:
    secretName: {{ . }}
    items:
      - key: {{ include "recommender-collector.storeEntry" $ | default $.part }}
        path: password
{{- end }}
{{- with .Values.collector.store.tls.secretName }}
- name: store-ca
  secret:
    secretName: {{ . }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- with .Values.collector.userKey }}
{{- if .secretName }}
- name: user-key
  secret:
    secretName: {{ .secretName }}
    items:
      - key: {{ .secretKey }}
        path: key
{{- end }}
{{- end }}
{{- include "recommender-collector.kafkaVolume" . }}
{{- end -}}

{{- /* What the pods of the collector and of its writer have in common. */ -}}
{{- define "recommender-collector.probes" -}}
livenessProbe:
  httpGet:
    path: /healthz
    port: metrics
  initialDelaySeconds: 10
  periodSeconds: 15
  timeoutSeconds: 5
  failureThreshold: 4
# Unready while the log does not answer: no event could become durable.
readinessProbe:
  httpGet:
    path: /readyz
    port: metrics
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

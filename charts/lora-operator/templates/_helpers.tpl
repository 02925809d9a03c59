{{- define "lora-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "lora-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "lora-operator.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "lora-operator.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* What is not in a namespace has it in its name: the same release name may be used in two. */ -}}
{{- define "lora-operator.clusterName" -}}
{{ include "lora-operator.fullname" . }}.{{ .Release.Namespace }}
{{- end }}

{{- define "lora-operator.selector" -}}
app.kubernetes.io/name: {{ include "lora-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "lora-operator.labels" -}}
{{ include "lora-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "lora-operator.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "lora-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- /* An image's full name, of its values (first) and the chart (second). */ -}}
{{- define "lora-operator.image" -}}
{{- $image := first . }}
{{- $root := last . }}
{{- $name := printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) }}
{{- if $image.digest }}{{ $name = printf "%s@%s" $image.repository $image.digest }}{{ end }}
{{- $name }}
{{- end }}

{{- define "lora-operator.subject" -}}
- kind: ServiceAccount
  name: {{ include "lora-operator.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- /* What the operator does in the namespaces of trainings. */ -}}
{{- define "lora-operator.rules" -}}
- apiGroups: [lora.training]
  resources: [loratrainings]
  verbs: [get, list, watch]
- apiGroups: [lora.training]
  resources: [loratrainings/status]
  verbs: [patch]
# Owner references that block the owner's deletion need it where OwnerReferencesPermissionEnforcement is on, as on
# OpenShift.
- apiGroups: [lora.training]
  resources: [loratrainings/finalizers]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# patch: the annotation with the newest checkpoint's time.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
# A claim that was made for a spec that has been corrected since is deleted before anything runs on it.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, create, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create]
# The authorities by which trainers know the operator.
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [{{ include "lora-operator.ca" . }}]
  verbs: [patch]
- apiGroups: [""]
  resources: [events]
  verbs: [list, create]
# The label of a Secret or account that a LoraTraining names. The operator asks for metadata alone.
- apiGroups: [""]
  resources: [secrets, serviceaccounts]
  verbs: [get]
{{- end }}

{{- define "lora-operator.secret" -}}
{{- default (printf "%s-tls" (include "lora-operator.fullname" .)) .Values.tls.secretName }}
{{- end }}

{{- define "lora-operator.ca" -}}
{{ include "lora-operator.fullname" . }}-ca
{{- end }}

{{- define "lora-operator.host" -}}
{{ include "lora-operator.fullname" . }}.{{ .Release.Namespace }}.svc
{{- end }}

{{- define "lora-operator.url" -}}
https://{{ include "lora-operator.host" . }}{{ if ne (int .Values.service.port) 443 }}:{{ .Values.service.port }}{{ end }}
{{- end }}

{{- /* The operator's settings. */ -}}
{{/* The operator's settings; what .Values.settings names takes the place of the chart's own line. */}}
{{- define "lora-operator.properties" -}}
{{- $settings := .Values.settings }}
{{- range splitList "\n" (include "lora-operator.ownProperties" .) }}
{{- if not (hasKey $settings (first (splitList "=" .))) }}
{{ . }}
{{- end }}
{{- end }}
{{- range $key, $value := $settings }}
{{ $key }}={{ include "lora-operator.plain" $value }}
{{- end }}
{{- end }}

{{/* A number as it was written: helm's are floating point, and print large ones with an exponent. */}}
{{- define "lora-operator.plain" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- define "lora-operator.ownProperties" -}}
lora.trainer.image={{ include "lora-operator.image" (list .Values.trainer.image .) }}
lora.pod.run-as-user={{ include "lora-operator.id" .Values.trainer.runAsUser }}
lora.pod.run-as-group={{ include "lora-operator.id" .Values.trainer.runAsGroup }}
lora.pod.fs-group={{ include "lora-operator.id" .Values.trainer.fsGroup }}
{{- $secrets := list }}
{{- range .Values.trainer.imagePullSecrets }}
{{- $secrets = append $secrets .name }}
{{- end }}
lora.pod.image-pull-secrets={{ join "," $secrets }}
lora.pod-template.allow={{ join "," .Values.trainer.allowedPodFields }}
{{- $labels := list }}
{{- range $key, $value := .Values.trainer.gpuNodeSelector }}
{{- $labels = append $labels (printf "%s=%v" $key $value) }}
{{- end }}
lora.gpu-node-selector={{ join "," $labels }}
{{- $stages := .Values.stages }}
{{- range $stage := list "prepare" "train" "evaluate" }}
{{- range $bound := list "requests" "limits" }}
{{- $amounts := get (get (get $stages $stage) "resources") $bound | default dict }}
{{- range $name := list "cpu" "memory" "ephemeral-storage" }}
lora.defaults.stages.{{ $stage }}.{{ $bound }}.{{ $name }}={{ get $amounts $name }}
{{- end }}
{{- end }}
{{- end }}
lora.sources.hf-endpoint={{ .Values.sources.hfEndpoint }}
lora.sources.proxy={{ .Values.sources.proxy }}
lora.sources.no-proxy={{ join "," .Values.sources.noProxy }}
lora.sources.ca-bundle={{ if .Values.sources.caBundle.configMap }}/etc/lora-authorities/ca.crt{{ end }}
lora.sources.allow={{ join "," .Values.sources.allow }}
lora.sources.limit={{ .Values.sources.limit }}
{{- with .Values.captioner }}
lora.captioner={{ toJson . | replace "\\" "\\\\" }}
{{- end }}
lora.s3.endpoint={{ .Values.s3.endpoint }}
lora.s3.region={{ .Values.s3.region }}
lora.s3.path-style={{ .Values.s3.pathStyle }}
lora.operator.url={{ include "lora-operator.url" . }}
lora.tls.secret={{ include "lora-operator.secret" . }}
lora.tls.namespace={{ .Release.Namespace }}
lora.tls.config-map={{ include "lora-operator.ca" . }}
lora.tls.manage={{ eq .Values.tls.source "operator" }}
lora.tls.life={{ .Values.tls.life }}
lora.tls.renew-before={{ .Values.tls.renewBefore }}
lora.tls.overlap={{ .Values.tls.overlap }}
quarkus.http.tls-configuration-name=progress
quarkus.http.insecure-requests=disabled
quarkus.http.ssl-port=8443
lora.leader-election.enabled=true
lora.leader-election.name={{ include "lora-operator.fullname" . }}
lora.leader-election.namespace={{ .Release.Namespace }}
{{- with .Values.watchNamespaces }}
quarkus.operator-sdk.namespaces={{ join "," . }}
{{- end }}
{{- end }}

{{- define "lora-operator.podSecurity" -}}
{{- if not (kindIs "invalid" .Values.runAsUser) }}
runAsUser: {{ int64 .Values.runAsUser }}
{{- end }}
{{- if not (kindIs "invalid" .Values.runAsGroup) }}
runAsGroup: {{ int64 .Values.runAsGroup }}
{{- end }}
{{ toYaml .Values.podSecurityContext }}
{{- end }}

{{- /* A number in full, or nothing. */ -}}
{{- define "lora-operator.id" -}}
{{- if not (kindIs "invalid" .) }}{{ int64 . }}{{ end }}
{{- end }}

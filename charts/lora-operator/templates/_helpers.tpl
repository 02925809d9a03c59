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
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [configmaps, persistentvolumeclaims]
  verbs: [get, create]
- apiGroups: [""]
  resources: [events]
  verbs: [list, create]
{{- end }}

{{- /* The operator's settings. A key of a map is quoted, as it may have dots; in a properties file : and = end a key. */ -}}
{{- define "lora-operator.properties" -}}
lora.trainer.image={{ include "lora-operator.image" (list .Values.trainer.image .) }}
lora.leader-election.enabled=true
lora.leader-election.name={{ include "lora-operator.fullname" . }}
lora.leader-election.namespace={{ .Release.Namespace }}
{{- with .Values.watchNamespaces }}
quarkus.operator-sdk.namespaces={{ join "," . }}
{{- end }}
{{- range $key, $value := .Values.settings }}
{{ $key }}={{ $value }}
{{- end }}
{{- end }}

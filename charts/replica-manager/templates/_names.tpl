{{- /* The release's name, or release and chart when the release is called something else. */ -}}
{{- define "replica-manager.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* Releases in one namespace must not wait for one another's leader. */ -}}
{{- define "replica-manager.electionLease" -}}
{{- include "replica-manager.fullname" . }}-operator
{{- end -}}

{{- define "replica-manager.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "replica-manager.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "replica-manager.selectorLabels" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "replica-manager.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "replica-manager.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "replica-manager.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}

{{- define "replica-manager.poolerImage" -}}
{{- default (printf "replica-manager-pgbouncer:%s" .Chart.AppVersion) .Values.poolerImage -}}
{{- end -}}

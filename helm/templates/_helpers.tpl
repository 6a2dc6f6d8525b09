{{/* Names and labels. Templates quote every name, because a namespace can be called 1234 and a release can be called on. */}}

{{/* The prefix of every name. A long prefix is truncated to 50 characters and ends in a hash, so that two prefixes stay different.
A DNS label has at most 63 characters, which leaves room for the longest suffix. */}}
{{- define "codepipeline-gateway.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $chart := .Values.nameOverride | default .Chart.Name -}}
{{- $name = contains $chart .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $chart) -}}
{{- end -}}
{{- if gt (len $name) 50 -}}
{{- $name = printf "%s-%s" (trunc 41 $name | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- end -}}
{{- $name -}}
{{- end }}

{{- define "codepipeline-gateway.headlessName" -}}
{{ include "codepipeline-gateway.fullname" . }}-headless
{{- end }}

{{- define "codepipeline-gateway.namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- define "codepipeline-gateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "codepipeline-gateway.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{/* The selector's labels. A Deployment's selector is immutable, so these labels must never change. */}}
{{- define "codepipeline-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The labels of the test's pod, which no selector of the gateway matches. */}}
{{- define "codepipeline-gateway.testLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-test
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The metadata of an object: argument is (list $ name) or (list $ name labels annotations). */}}
{{- define "codepipeline-gateway.metadata" -}}
{{- $root := index . 0 -}}
{{- $labels := include "codepipeline-gateway.selectorLabels" $root | fromYaml -}}
{{- $labels = merge $labels (dict
      "app.kubernetes.io/version" $root.Chart.AppVersion
      "app.kubernetes.io/managed-by" $root.Release.Service
      "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63)) -}}
{{- if gt (len .) 2 -}}{{- $labels = merge $labels (index . 2 | default dict) -}}{{- end -}}
{{- $labels = merge $labels ($root.Values.commonLabels | default dict) -}}
name: {{ index . 1 | quote }}
namespace: {{ include "codepipeline-gateway.namespace" $root | quote }}
labels: {{- toYaml $labels | nindent 2 }}
{{- if gt (len .) 3 }}
{{- with index . 3 }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "codepipeline-gateway.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* All operations, in the order in which a job needs them. */}}
{{- define "codepipeline-gateway.operations" -}}poll,details,acknowledge,success,failure{{- end }}

{{/* The operations at the end of an entry of auth.allow: "poll,details" of "sub:worker=poll,details". */}}
{{- define "codepipeline-gateway.entryOperations" -}}
{{- $any := include "codepipeline-gateway.operations" . | replace "," "|" -}}
{{- regexFind (printf "=(%s)(,(%s))*$" $any $any) . | trimPrefix "=" -}}
{{- end }}

{{/* The IAM action of each operation. */}}
{{- define "codepipeline-gateway.iamActions" -}}
poll: codepipeline:PollForThirdPartyJobs
details: codepipeline:GetThirdPartyJobDetails
acknowledge: codepipeline:AcknowledgeThirdPartyJob
success: codepipeline:PutThirdPartyJobSuccessResult
failure: codepipeline:PutThirdPartyJobFailureResult
{{- end }}

{{/* The Secret with the serving certificate. */}}
{{- define "codepipeline-gateway.tlsSecret" -}}
{{ .Values.tls.existingSecret | default (printf "%s-tls" (include "codepipeline-gateway.fullname" .)) }}
{{- end }}

{{/* A regular expression for the pods of this Deployment and of no other. Kubernetes truncates a pod's name to 58 characters
before the last five, so with a name of 47 or more the second hyphen is missing. */}}
{{- define "codepipeline-gateway.podPattern" -}}
{{ include "codepipeline-gateway.fullname" . }}-[a-z0-9]+-?[a-z0-9]+
{{- end }}

{{/* The UID of the release's dashboard in Grafana, at most 40 characters. */}}
{{- define "codepipeline-gateway.dashboardUid" -}}
{{- $release := printf "%s/%s" (include "codepipeline-gateway.namespace" .) (include "codepipeline-gateway.fullname" .) -}}
codepipeline-gateway-{{ sha256sum $release | trunc 12 }}
{{- end }}

{{- define "codepipeline-gateway.grpcPort" -}}
{{ regexFind "[0-9]+$" .Values.gateway.grpcAddr }}
{{- end }}

{{- define "codepipeline-gateway.adminPort" -}}
{{ regexFind "[0-9]+$" .Values.gateway.adminAddr }}
{{- end }}

{{/* A time such as 1m30s in milliseconds. _validate.tpl rejects other texts. */}}
{{- define "codepipeline-gateway.milliseconds" -}}
{{- $units := dict "h" 3600000 "m" 60000 "s" 1000 "ms" 1 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|h|m|s)" . -1 -}}
{{- $sum = add $sum (mul (regexFind "^[0-9]+" . | int64) (get $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end }}

{{/* Whether there is a pod for `helm test`. If callers must present a certificate, the pod needs one. */}}
{{- define "codepipeline-gateway.hasTest" -}}
{{- if and .Values.test.enabled (or (not .Values.tls.clientCa.existingSecret) .Values.test.clientSecret) -}}
true
{{- end -}}
{{- end }}

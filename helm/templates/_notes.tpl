{{/* What helm prints after an installation, apart from NOTES.txt so that the checks can render it. */}}

{{- define "codepipeline-gateway.notes" -}}
{{- $ns := include "codepipeline-gateway.namespace" . -}}
{{- $name := include "codepipeline-gateway.fullname" . -}}
{{- $mtls := not (empty .Values.tls.clientCa.existingSecret) -}}
{{- $jwt := eq .Values.auth.mode "jwt" -}}
{{- $port := .Values.service.port -}}
{{- $options := "-plaintext" -}}
{{- if .Values.tls.enabled -}}
{{- $options = printf "-cacert ca.crt%s -authority %s.%s.svc" ($mtls | ternary " -cert client.crt -key client.key" "") $name $ns -}}
{{- end -}}
{{- $token := $jwt | ternary " -H \"authorization: Bearer $TOKEN\"" "" -}}
{{ .Chart.Name }} {{ .Chart.AppVersion }} is being started in {{ $ns }}:

  kubectl -n {{ $ns }} rollout status deployment/{{ $name }}

Credentials: {{ include "codepipeline-gateway.notes.credentials" . | trim }}

Who may call: {{ include "codepipeline-gateway.notes.callers" . | trim }}

Call it from here:

  kubectl -n {{ $ns }} port-forward service/{{ $name }} {{ $port }}:{{ $port }} &
{{- if .Values.tls.enabled }}
  kubectl -n {{ $ns }} get secret {{ include "codepipeline-gateway.tlsSecret" . }} -o jsonpath='{.data.ca\.crt}' | base64 -d > ca.crt
{{- end }}
{{- if $mtls }}
  # client.crt and client.key: a certificate of {{ .Values.tls.clientCa.existingSecret }} with a name that may call
{{- end }}
{{- if $jwt }}
{{- $account := list }}
{{- range .Values.auth.allow }}
{{- if and (not $account) (regexMatch "^sub:system:serviceaccount:[^:*]+:[^:*]+$" .) }}
{{- $account = slice (splitList ":" .) 3 }}
{{- end }}
{{- end }}
{{- if $account }}
  TOKEN=$(kubectl -n {{ index $account 0 }} create token {{ index $account 1 }} --audience {{ .Values.auth.jwt.audience }})
{{- else }}
  # TOKEN: a token for the audience {{ .Values.auth.jwt.audience }} of {{ include "codepipeline-gateway.jwtIssuer" . }}
{{- end }}
{{- end }}
{{- if .Values.gateway.reflection }}
  grpcurl {{ $options }}{{ $token }} localhost:{{ $port }} grpc.health.v1.Health/Check
{{- else }}
{{- $options = print $options " -import-path proto -proto codepipeline/thirdparty/v1/third_party_job_service.proto" }}
  # in a checkout of the gateway's sources, as it has no reflection (gateway.reflection=false)
{{- end }}
  grpcurl {{ $options }}{{ $token }} -d '{"job_id":"JOB","nonce":"NONCE","client_token":"TOKEN"}' localhost:{{ $port }} codepipeline.thirdparty.v1.ThirdPartyJobService/AcknowledgeThirdPartyJob

Call it from a pod:
{{- if .Values.service.headless.enabled }} all pods, with the load-balancing policy round_robin:

  dns:///{{ include "codepipeline-gateway.headlessName" . }}.{{ $ns }}.svc.{{ .Values.clusterDomain }}:{{ include "codepipeline-gateway.grpcPort" . }}
{{- else }} behind one address, so that a client stays with one pod until its connection's age is over:

  {{ $name }}.{{ $ns }}.svc.{{ .Values.clusterDomain }}:{{ $port }}
{{- end }}
{{- if include "codepipeline-gateway.hasTest" . }}

Test it:

  helm test {{ .Release.Name }} --namespace {{ .Release.Namespace }}
{{- else if .Values.test.enabled }}

There is no helm test: callers must present a certificate, and test.clientSecret names none.
{{- end }}
{{- end }}

{{- define "codepipeline-gateway.notes.credentials" -}}
{{- $ns := include "codepipeline-gateway.namespace" . -}}
{{- $secret := .Values.aws.existingSecret -}}
{{- if eq .Values.aws.auth "podIdentity" -}}
EKS Pod Identity (aws.auth=podIdentity). The service account needs an association, made before the pods start:

  aws eks create-pod-identity-association --region {{ .Values.aws.region }} --cluster-name CLUSTER --namespace {{ $ns }} --service-account {{ include "codepipeline-gateway.serviceAccountName" . }} --role-arn ROLE
{{- else if eq .Values.aws.auth "irsa" -}}
the service account's role (aws.auth=irsa){{ with .Values.aws.roleArn }}, {{ . }}{{ end }}. Its trust policy has to name system:serviceaccount:{{ $ns }}:{{ include "codepipeline-gateway.serviceAccountName" . }}.
{{- else if eq .Values.aws.auth "secretEnv" -}}
access keys (aws.auth=secretEnv) from the Secret {{ $secret.name }} in {{ $ns }}, keys {{ $secret.accessKeyIdKey }} and {{ $secret.secretAccessKeyKey }}{{ with $secret.sessionTokenKey }} and {{ . }}{{ end }}. The pods wait for it; a changed one takes a restart.
{{- else if eq .Values.aws.auth "secretFile" -}}
a shared credentials file (aws.auth=secretFile) from the Secret {{ $secret.name }} in {{ $ns }}, key {{ $secret.fileKey }}, profile {{ $secret.profile | default "default" }}. The pods wait for it; a changed one is read again.
{{- else -}}
none of the chart's (aws.auth=none){{ if .Values.aws.disableImds }}, and aws.disableImds keeps the node's role away: give them with extraEnv or extraVolumes{{ else }}: what extraEnv and extraVolumes give, else the node's role{{ end }}.
{{- end }}
{{- end }}

{{- define "codepipeline-gateway.notes.callers" -}}
{{- if ne .Values.auth.mode "none" -}}
{{ join ", " .Values.auth.allow }} (auth.mode={{ .Values.auth.mode }}).
{{- else if .Values.networkPolicy.enabled -}}
whoever networkPolicy.ingress.from lets through (auth.mode=none).
{{- else -}}
ANYONE IN THIS CLUSTER, with the gateway's AWS permission (auth.mode=none and no network policy). Change that with one of

  --set networkPolicy.enabled=true                           the pods of {{ include "codepipeline-gateway.namespace" . }} alone, see networkPolicy.ingress.from
  --set auth.mode=jwt,auth.jwt.clusterKeys=true,auth.jwt.audience={{ .Chart.Name }},auth.allow={sub:system:serviceaccount:NAMESPACE:NAME}
  --set tls.enabled=true,… auth.mode=mtls,…                  certificates, see README.md
{{- end }}
{{- if not .Values.tls.enabled }}

Without TLS, nonces and client tokens cross the network in clear unless a mesh protects them (tls.enabled=false).
{{- end }}
{{- end }}

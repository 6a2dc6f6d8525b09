{{/* The container's environment variables, and the volumes with the files that they name. */}}

{{- define "codepipeline-gateway.files" -}}/var/run/codepipeline-gateway{{- end }}

{{- define "codepipeline-gateway.jwtIssuer" -}}
{{ .Values.auth.jwt.issuer | default (printf "https://kubernetes.default.svc.%s" .Values.clusterDomain) }}
{{- end }}

{{- define "codepipeline-gateway.env" -}}
{{- $files := include "codepipeline-gateway.files" . -}}
- name: AWS_REGION
  value: {{ .Values.aws.region | quote }}
{{- if .Values.aws.endpointUrl }}
# The endpoint of CodePipeline. STS keeps its default endpoint.
- name: AWS_ENDPOINT_URL_CODEPIPELINE
  value: {{ .Values.aws.endpointUrl | quote }}
{{- end }}
{{- if .Values.aws.useFips }}
- name: AWS_USE_FIPS_ENDPOINT
  value: "true"
{{- end }}
{{- if .Values.aws.useDualstack }}
- name: AWS_USE_DUALSTACK_ENDPOINT
  value: "true"
{{- end }}
{{- if .Values.aws.disableImds }}
- name: AWS_EC2_METADATA_DISABLED
  value: "true"
{{- end }}
{{- if eq .Values.aws.auth "secretEnv" }}
{{- $keys := dict "AWS_ACCESS_KEY_ID" .Values.aws.existingSecret.accessKeyIdKey
      "AWS_SECRET_ACCESS_KEY" .Values.aws.existingSecret.secretAccessKeyKey
      "AWS_SESSION_TOKEN" .Values.aws.existingSecret.sessionTokenKey }}
{{- range $variable, $key := $keys }}
{{- if $key }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.aws.existingSecret.name | quote }}
      key: {{ $key | quote }}
{{- end }}
{{- end }}
{{- else if eq .Values.aws.auth "secretFile" }}
- name: AWS_SHARED_CREDENTIALS_FILE
  value: {{ $files }}/aws/credentials
{{- if .Values.aws.existingSecret.profile }}
- name: AWS_PROFILE
  value: {{ .Values.aws.existingSecret.profile | quote }}
{{- end }}
{{- end }}
- name: GATEWAY_AUTH
  value: {{ .Values.auth.mode }}
{{- if .Values.auth.allow }}
- name: GATEWAY_ALLOW
  value: {{ join "," .Values.auth.allow | quote }}
{{- end }}
{{- if eq .Values.auth.mode "jwt" }}
- name: GATEWAY_JWT_ISSUER
  value: {{ include "codepipeline-gateway.jwtIssuer" . | quote }}
- name: GATEWAY_JWT_AUDIENCE
  value: {{ .Values.auth.jwt.audience | quote }}
{{- $keys := dict "JWKS" .Values.auth.jwt.jwks "CA" .Values.auth.jwt.ca "JWKS_TOKEN_FILE" .Values.auth.jwt.jwksTokenFile }}
{{- if .Values.auth.jwt.clusterKeys }}
{{- $keys = dict "JWKS" "https://kubernetes.default.svc/openid/v1/jwks"
      "CA" (print $files "/cluster/ca.crt") "JWKS_TOKEN_FILE" (print $files "/cluster/token") }}
{{- end }}
{{- range $variable, $value := $keys }}
{{- if $value }}
- name: GATEWAY_JWT_{{ $variable }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.tls.enabled }}
- name: GATEWAY_TLS_CERT
  value: {{ $files }}/tls/tls.crt
- name: GATEWAY_TLS_KEY
  value: {{ $files }}/tls/tls.key
{{- if .Values.tls.clientCa.existingSecret }}
- name: GATEWAY_TLS_CLIENT_CA
  value: {{ $files }}/client-ca/ca.crt
{{- end }}
{{- end }}
{{- range $flag, $value := .Values.gateway }}
{{- $value = kindIs "slice" $value | ternary (join "," $value) $value }}
{{- if ne (toString $value) "" }}
- name: {{ eq $flag "otlpEndpoint" | ternary "OTEL_EXPORTER_OTLP_ENDPOINT" (print "GATEWAY_" (snakecase $flag | upper)) }}
  {{- /* A whole number from a values file is a float here, and a large one would become 1e+06. */}}
  value: {{ kindIs "float64" $value | ternary (toString (int64 $value)) (toString $value) | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The volumes are whole directories without a subPath, because Kubernetes doesn't update a file that is mounted by subPath. */}}
{{- define "codepipeline-gateway.volumes" -}}
{{- if eq .Values.aws.auth "secretFile" }}
- name: aws
  secret:
    secretName: {{ .Values.aws.existingSecret.name | quote }}
    defaultMode: 0440
    items:
      - key: {{ .Values.aws.existingSecret.fileKey | quote }}
        path: credentials
{{- end }}
{{- if .Values.tls.enabled }}
- name: tls
  secret:
    secretName: {{ include "codepipeline-gateway.tlsSecret" . | quote }}
    defaultMode: 0440
    items:
      - key: tls.crt
        path: tls.crt
      - key: tls.key
        path: tls.key
{{- if .Values.tls.clientCa.existingSecret }}
- name: client-ca
  secret:
    secretName: {{ .Values.tls.clientCa.existingSecret | quote }}
    defaultMode: 0440
    items:
      - key: {{ .Values.tls.clientCa.key | quote }}
        path: ca.crt
{{- end }}
{{- end }}
{{- if and (eq .Values.auth.mode "jwt") .Values.auth.jwt.clusterKeys }}
# The CA certificate and a token for fetching the keys from the API server. Every service account can read the keys
# (ClusterRole system:service-account-issuer-discovery).
- name: cluster
  projected:
    defaultMode: 0440
    sources:
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - serviceAccountToken:
          expirationSeconds: 3600
          path: token
{{- end }}
{{- end }}

{{- define "codepipeline-gateway.volumeMounts" -}}
{{- range include "codepipeline-gateway.volumes" . | fromYamlArray }}
- name: {{ .name }}
  mountPath: {{ include "codepipeline-gateway.files" $ }}/{{ .name }}
  readOnly: true
{{- end }}
{{- end }}

{{/* Annotations of the pods. The gateway reads access keys in variables only at its start. The annotation with the Secret's version
restarts the pods at the next upgrade if the Secret changed. Without a cluster, there is no version. */}}
{{- define "codepipeline-gateway.podAnnotations" -}}
{{- $annotations := .Values.podAnnotations | default dict | deepCopy -}}
{{- if eq .Values.aws.auth "secretEnv" -}}
{{- with lookup "v1" "Secret" (include "codepipeline-gateway.namespace" .) .Values.aws.existingSecret.name -}}
{{- $_ := set $annotations "codepipeline-gateway/secret-version" .metadata.resourceVersion -}}
{{- end -}}
{{- end -}}
{{- with $annotations -}}
{{ toYaml . }}
{{- end -}}
{{- end }}

{{/* The spread constraints. A constraint without a labelSelector gets the release's selector. */}}
{{- define "codepipeline-gateway.topologySpreadConstraints" -}}
{{- $filled := list -}}
{{- range .Values.topologySpreadConstraints -}}
{{- $selector := dict "labelSelector" (dict "matchLabels" (include "codepipeline-gateway.selectorLabels" $ | fromYaml)) -}}
{{- $filled = append $filled (hasKey . "labelSelector" | ternary . (merge $selector .)) -}}
{{- end -}}
{{- with $filled -}}
{{ toYaml . }}
{{- end -}}
{{- end }}

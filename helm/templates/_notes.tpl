{{/* The notes that helm prints after an installation. NOTES.txt includes them, and the checks can render them here. */}}

{{- define "codepipeline-gateway.notes" -}}
{{- $ns := include "codepipeline-gateway.namespace" . -}}
{{- $name := include "codepipeline-gateway.fullname" . -}}
{{- $requests := dict
      "poll" `{"action_type_id":{"category":"CATEGORY","owner":"OWNER","provider":"PROVIDER","version":"VERSION"}}`
      "details" `{"job_id":"JOB","client_token":"CLIENT_TOKEN"}`
      "acknowledge" `{"job_id":"JOB","nonce":"NONCE","client_token":"CLIENT_TOKEN"}`
      "success" `{"job_id":"JOB","client_token":"CLIENT_TOKEN"}`
      "failure" `{"job_id":"JOB","client_token":"CLIENT_TOKEN","failure_details":{"type":"FAILURE_TYPE_JOB_FAILED","message":"MESSAGE"}}` -}}
{{- /* An acknowledge tests the most: the network, the credentials, and the job's values. */ -}}
{{- $operation := has "acknowledge" .Values.gateway.operations | ternary "acknowledge" (.Values.gateway.operations | default (list "poll") | first) -}}
{{- $method := get (include "codepipeline-gateway.iamActions" . | fromYaml) $operation | trimPrefix "codepipeline:" -}}
{{- $options := list "grpcurl" -}}
{{- if .Values.tls.enabled -}}
{{- if .Values.test.caKey -}}{{- $options = append $options "-cacert ca.crt" -}}{{- end -}}
{{- if .Values.tls.clientCa.existingSecret -}}{{- $options = append $options "-cert client.crt -key client.key" -}}{{- end -}}
{{- $options = append $options (printf "-authority %s" (.Values.test.serverName | default (printf "%s.%s.svc" $name $ns))) -}}
{{- else -}}
{{- $options = append $options "-plaintext" -}}
{{- end -}}
{{- if eq .Values.auth.mode "jwt" -}}
{{- $options = append $options "-H \"authorization: Bearer $TOKEN\"" -}}
{{- end -}}
{{- if not .Values.gateway.reflection -}}
{{- $options = append $options "-import-path proto -proto codepipeline/thirdparty/v1/third_party_job_service.proto" -}}
{{- end -}}
{{- $grpcurl := join " " $options -}}
{{ .Chart.Name }} {{ .Chart.AppVersion }} is starting in {{ $ns }}:

  kubectl -n {{ $ns }} rollout status deployment/{{ $name }}

Credentials: {{ include "codepipeline-gateway.notes.credentials" . | trim }}

IAM policy for the operations in gateway.operations:
{{ include "codepipeline-gateway.notes.policy" . | nindent 2 }}

Callers: {{ include "codepipeline-gateway.notes.callers" . | trim }}

Call it from here:

  kubectl -n {{ $ns }} port-forward service/{{ $name }} 50051:{{ .Values.service.port }} & sleep 3
{{- if and .Values.tls.enabled .Values.test.caKey }}
  kubectl -n {{ $ns }} get secret {{ include "codepipeline-gateway.tlsSecret" . }} -o jsonpath='{.data.{{ replace "." "\\." .Values.test.caKey }}}' | base64 -d > ca.crt
{{- end }}
{{- with .Values.tls.clientCa.existingSecret }}
  # client.crt and client.key: a certificate that a CA in {{ . }} issued, with a name in auth.allow
{{- end }}
{{- if eq .Values.auth.mode "jwt" }}
{{- $account := list }}
{{- range .Values.auth.allow }}
{{- $limit := include "codepipeline-gateway.entryOperations" . }}
{{- $identity := trimSuffix (print "=" $limit) . }}
{{- $mayCall := or (not $limit) (has $operation (splitList "," $limit)) }}
{{- if and (not $account) $mayCall (regexMatch "^sub:system:serviceaccount:[^:*]+:[^:*]+$" $identity) }}
{{- $account = slice (splitList ":" $identity) 3 }}
{{- end }}
{{- end }}
{{- if $account }}
  TOKEN=$(kubectl -n {{ index $account 0 }} create token {{ index $account 1 }} --audience {{ .Values.auth.jwt.audience }})
{{- else }}
  # TOKEN: a token for the audience {{ .Values.auth.jwt.audience }}, from {{ include "codepipeline-gateway.jwtIssuer" . }}
{{- end }}
{{- end }}
{{- if .Values.gateway.reflection }}
  {{ $grpcurl }} localhost:50051 grpc.health.v1.Health/Check
{{- else }}
  # Without reflection, grpcurl needs the gateway's proto/ directory.
{{- end }}
  {{ $grpcurl }} -d '{{ get $requests $operation }}' localhost:50051 codepipeline.thirdparty.v1.ThirdPartyJobService/{{ $method }}

Call it from a pod:
{{- if .Values.service.headless.enabled }} this name has all pods, for the load-balancing policy round_robin.

  dns:///{{ include "codepipeline-gateway.headlessName" . }}.{{ $ns }}.svc.{{ .Values.clusterDomain }}:{{ include "codepipeline-gateway.grpcPort" . }}
{{- else }} this name has one address, so a client stays with one pod until gateway.maxConnectionAge.

  {{ $name }}.{{ $ns }}.svc.{{ .Values.clusterDomain }}:{{ .Values.service.port }}
{{- end }}
{{- if include "codepipeline-gateway.hasTest" . }}

Test it:

  helm test {{ .Release.Name }} --namespace {{ .Release.Namespace }}{{ if eq $ns .Release.Namespace }} --logs{{ end }}
{{- else if .Values.test.enabled }}

There is no helm test, because callers must present a certificate. To get one, set test.clientSecret.
{{- end }}
{{- end }}

{{/* The policy that allows the operations in gateway.operations and nothing else. */}}
{{- define "codepipeline-gateway.notes.policy" -}}
{{- $actions := list -}}
{{- $known := include "codepipeline-gateway.iamActions" . | fromYaml -}}
{{- range $operation := include "codepipeline-gateway.operations" . | splitList "," -}}
{{- if has $operation $.Values.gateway.operations -}}{{- $actions = append $actions (get $known $operation) -}}{{- end -}}
{{- end -}}
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": [
        {{- range $number, $action := $actions }}
        {{ toJson $action }}{{ if lt (add1 $number) (len $actions) }},{{ end }}
        {{- end }}
      ],
      "Resource": "*"
    }
  ]
}
{{- end }}

{{- define "codepipeline-gateway.notes.credentials" -}}
{{- $ns := include "codepipeline-gateway.namespace" . -}}
{{- $secret := .Values.aws.existingSecret -}}
{{- if eq .Values.aws.auth "podIdentity" -}}
EKS Pod Identity (aws.auth=podIdentity). Create the association of the service account before the pods start:

  aws eks create-pod-identity-association --region {{ .Values.aws.region }} --cluster-name CLUSTER --namespace {{ $ns }} --service-account {{ include "codepipeline-gateway.serviceAccountName" . }} --role-arn ROLE
{{- else if eq .Values.aws.auth "irsa" -}}
the service account's role (aws.auth=irsa){{ with .Values.aws.roleArn }}, {{ . }}{{ end }}. Its trust policy must name system:serviceaccount:{{ $ns }}:{{ include "codepipeline-gateway.serviceAccountName" . }}.
{{- else if eq .Values.aws.auth "secretEnv" -}}
access keys (aws.auth=secretEnv) from the Secret {{ $secret.name }} in {{ $ns }}, keys {{ $secret.accessKeyIdKey }} and {{ $secret.secretAccessKeyKey }}{{ with $secret.sessionTokenKey }} and {{ . }}{{ end }}. The pods wait for the Secret. They need a restart if the keys change.
{{- else if eq .Values.aws.auth "secretFile" -}}
a shared credentials file (aws.auth=secretFile) from the Secret {{ $secret.name }} in {{ $ns }}, key {{ $secret.fileKey }}, profile {{ $secret.profile | default "default" }}. The pods wait for the Secret. They reload the file automatically.
{{- else -}}
from extraEnv and extraVolumes (aws.auth=none).{{ if .Values.aws.disableImds }} aws.disableImds=true excludes the node's role.{{ else }} Without them, the gateway uses the node's role.{{ end }}
{{- end }}
{{- if and .Values.aws.useDualstack (not .Values.aws.endpointUrl) }}

WARNING: aws.useDualstack=true, but AWS lists no dual-stack endpoint for CodePipeline. If calls fail with AWS_UNREACHABLE, set it to false.
{{- end }}
{{- end }}

{{- define "codepipeline-gateway.notes.callers" -}}
{{- if ne .Values.auth.mode "none" -}}
{{ join ", " .Values.auth.allow }} (auth.mode={{ .Values.auth.mode }}).
{{- else if .Values.networkPolicy.enabled -}}
the peers that networkPolicy.ingress.from allows (auth.mode=none).
{{- else -}}
{{ include "codepipeline-gateway.notes.reach" . | trim }} can call with the gateway's AWS permissions (auth.mode=none and no network policy). To restrict the callers, use one of these:

  --set networkPolicy.enabled=true                           only the pods of {{ include "codepipeline-gateway.namespace" . }}, see networkPolicy.ingress.from
  --set auth.mode=jwt,auth.jwt.clusterKeys=true,auth.jwt.issuer=ISSUER,auth.jwt.audience={{ .Chart.Name }},auth.allow={sub:system:serviceaccount:NAMESPACE:NAME}
                                                             service account tokens; `kubectl get --raw /.well-known/openid-configuration` prints the ISSUER
  --set tls.enabled=true,… auth.mode=mtls,…                  client certificates, see README.md
{{- end }}
{{- if ne .Values.service.type "ClusterIP" }}

{{ if eq .Values.service.type "LoadBalancer" -}}
A load balancer accepts calls from outside the cluster (service.type=LoadBalancer).
{{- if include "codepipeline-gateway.notes.internetFacing" . }}
It is internet-facing: ANY CLIENT ON THE INTERNET can connect unless a security group or loadBalancerSourceRanges prevents it.
{{- else }}
Its annotations and its controller decide whether it is internet-facing.
{{- end }}
Its address:

  kubectl -n {{ include "codepipeline-gateway.namespace" . }} get service {{ include "codepipeline-gateway.fullname" . }} -o jsonpath='{.status.loadBalancer.ingress[0].hostname}{.status.loadBalancer.ingress[0].ip}'
{{- else -}}
Every client that reaches a node can connect to a port of the node (service.type=NodePort). The port:

  kubectl -n {{ include "codepipeline-gateway.namespace" . }} get service {{ include "codepipeline-gateway.fullname" . }} -o jsonpath='{.spec.ports[0].nodePort}'
{{- end }}
{{- end }}
{{- if .Values.grpcRoute.enabled }}

The GRPCRoute accepts calls from every client that reaches the Gateway {{ range $number, $parent := .Values.grpcRoute.parentRefs }}{{ if $number }}, {{ end }}{{ $parent.name }}{{ end }}{{ with .Values.grpcRoute.hostnames }}, as {{ join ", " . }}{{ end }}. To see whether the Gateway accepted the route:

  kubectl -n {{ include "codepipeline-gateway.namespace" . }} get grpcroute {{ include "codepipeline-gateway.fullname" . }} -o jsonpath='{.status.parents[*].conditions[*].message}'
{{- end }}
{{- if not .Values.tls.enabled }}

TLS is off (tls.enabled=false). Without a mesh, the secrets of jobs cross the network unencrypted, such as nonces, client tokens,
and configurations.
{{- end }}
{{- end }}

{{/* The clients that reach the port without authentication and a network policy. */}}
{{- define "codepipeline-gateway.notes.reach" -}}
{{- $more := list -}}
{{- if eq .Values.service.type "LoadBalancer" -}}{{- $more = append $more "THE LOAD BALANCER" -}}{{- end -}}
{{- if eq .Values.service.type "NodePort" -}}{{- $more = append $more "A NODE" -}}{{- end -}}
{{- if .Values.grpcRoute.enabled -}}{{- $more = append $more "THE GATEWAY OF THE GRPCROUTE" -}}{{- end -}}
ANY CLIENT IN THIS CLUSTER{{ with $more }} AND ANY CLIENT THAT REACHES {{ join " OR " . }}{{ end }}
{{- end }}

{{/* Whether the load balancer's annotations ask for an address on the internet. */}}
{{- define "codepipeline-gateway.notes.internetFacing" -}}
{{- if eq (get (.Values.service.annotations | default dict) "service.beta.kubernetes.io/aws-load-balancer-scheme") "internet-facing" -}}true{{- end -}}
{{- end }}

{{/* Checks values against each other. values.schema.json has rejected unknown names before, and _forms.tpl checks single
values. Each sentence names the value, and helm prints all of them together. */}}

{{- define "codepipeline-gateway.validate" -}}
{{- with include "codepipeline-gateway.wrongTypes" . | fromYamlArray -}}
{{- fail (printf "\n%s" (join "\n" .)) -}}
{{- end -}}
{{- $wrong := include "codepipeline-gateway.wrongForms" . | fromYamlArray -}}
{{- range list "aws" "addresses" "operations" "callers" "tls" "pods" "extensions" "network" -}}
{{- $wrong = concat $wrong (include (print "codepipeline-gateway.wrong." .) $ | fromYamlArray) -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n%s" (join "\n" $wrong)) -}}
{{- end -}}
{{- end }}

{{/* Checks aws and image. Each of these returns a list of sentences. */}}
{{- define "codepipeline-gateway.wrong.aws" -}}
{{- $wrong := list -}}
{{- $v := .Values -}}
{{- if not $v.aws.region -}}
{{- $wrong = append $wrong "aws.region is empty: set the region of CodePipeline, such as --set aws.region=eu-west-1" -}}
{{- end -}}
{{- if eq $v.aws.auth "irsa" -}}
{{- if and $v.serviceAccount.create (not $v.aws.roleArn) -}}
{{- $wrong = append $wrong "aws.roleArn is empty: aws.auth=irsa needs the role of the service account" -}}
{{- end -}}
{{- if and $v.aws.roleArn (not (regexMatch "^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$" $v.aws.roleArn)) -}}
{{- $wrong = append $wrong (printf "aws.roleArn is %q: a role looks like arn:aws:iam::111122223333:role/name" $v.aws.roleArn) -}}
{{- end -}}
{{- if and $v.aws.roleArn (not $v.serviceAccount.create) -}}
{{- $wrong = append $wrong "aws.roleArn has no effect with serviceAccount.create=false: remove aws.roleArn, and annotate the service account yourself" -}}
{{- end -}}
{{- else if $v.aws.roleArn -}}
{{- $wrong = append $wrong (printf "aws.roleArn is for aws.auth=irsa, and aws.auth is %s" $v.aws.auth) -}}
{{- end -}}
{{- if has $v.aws.auth (list "secretEnv" "secretFile") -}}
{{- if not $v.aws.existingSecret.name -}}
{{- $wrong = append $wrong (printf "aws.existingSecret.name is empty: aws.auth=%s needs a Secret" $v.aws.auth) -}}
{{- end -}}
{{- else if $v.aws.existingSecret.name -}}
{{- $wrong = append $wrong (printf "aws.existingSecret.name is for aws.auth=secretEnv or secretFile, and aws.auth is %s" $v.aws.auth) -}}
{{- end -}}

{{- if not $v.image.repository -}}
{{- $wrong = append $wrong "image.repository is empty: a checkout has no image of its own. Build one from the Dockerfile, push it, and set image.repository, or install a released chart" -}}
{{- end -}}
{{- if and $v.image.tag $v.image.digest -}}
{{- $wrong = append $wrong "image.tag has no effect beside image.digest, which a released chart has: set one of them to an empty text" -}}
{{- end -}}
{{- $wrong | toYaml -}}
{{- end }}

{{/* Checks addresses, times, and the log level. */}}
{{- define "codepipeline-gateway.wrong.addresses" -}}
{{- $wrong := list -}}
{{- $v := .Values -}}
{{- range $name, $url := dict "aws.endpointUrl" $v.aws.endpointUrl "gateway.otlpEndpoint" $v.gateway.otlpEndpoint -}}
{{- if and $url (not (regexMatch "^https?://[^/]" $url)) -}}
{{- $wrong = append $wrong (printf "%s is %q: it must begin with http:// or https://" $name $url) -}}
{{- end -}}
{{- end -}}
{{- if regexMatch "^https?://[^/]+/." $v.gateway.otlpEndpoint -}}
{{- $wrong = append $wrong (printf "gateway.otlpEndpoint is %q: the gateway exports OTLP over gRPC, so remove the path" $v.gateway.otlpEndpoint) -}}
{{- end -}}
{{- range $name := list "grpcAddr" "adminAddr" -}}
{{- $address := get $v.gateway $name -}}
{{- if not (regexMatch "^(\\[[0-9a-fA-F:]+\\]|[0-9.]+):[1-9][0-9]{0,4}$" $address) -}}
{{- $wrong = append $wrong (printf "gateway.%s is %q: an address looks like [::]:50051 or 0.0.0.0:50051" $name $address) -}}
{{- else if gt (regexFind "[0-9]+$" $address | int) 65535 -}}
{{- $wrong = append $wrong (printf "gateway.%s is %q: a port is at most 65535" $name $address) -}}
{{- end -}}
{{- end -}}
{{- if eq (include "codepipeline-gateway.grpcPort" .) (include "codepipeline-gateway.adminPort" .) -}}
{{- $wrong = append $wrong "gateway.grpcAddr and gateway.adminAddr have the same port: change one of them" -}}
{{- end -}}
{{- if regexMatch "^(127\\.|\\[::1\\])" $v.gateway.adminAddr -}}
{{- $wrong = append $wrong (printf "gateway.adminAddr is %q: probes can't reach a loopback address, so use an address such as [::]:9090" $v.gateway.adminAddr) -}}
{{- end -}}
{{- $time := dict -}}
{{- range $name := list "defaultDeadline" "maxDeadline" "maxConnectionAge" "shutdownDelay" "drainTimeout" "awsAttemptTimeout" "awsConnectTimeout" "awsIdleTimeout" "pollInterval" -}}
{{- $text := get $v.gateway $name -}}
{{- $length := include "codepipeline-gateway.milliseconds" $text | int64 -}}
{{- if not (regexMatch "^([0-9]{1,6}(h|m|s|ms))+$" $text) -}}
{{- $wrong = append $wrong (printf "gateway.%s is %q: a time looks like 500ms, 5s, or 1m30s" $name $text) -}}
{{- else if and (eq $length 0) (not (has $name (list "shutdownDelay" "drainTimeout"))) -}}
{{- $wrong = append $wrong (printf "gateway.%s is %q: it must be greater than 0s" $name $text) -}}
{{- else if gt $length 31536000000 -}}
{{- $wrong = append $wrong (printf "gateway.%s is %q: it must be at most a year" $name $text) -}}
{{- else -}}
{{- $_ := set $time $name $length -}}
{{- end -}}
{{- end -}}
{{- if and (hasKey $time "pollInterval") (lt (get $time "pollInterval") 1000) -}}
{{- $wrong = append $wrong (printf "gateway.pollInterval is %q: it must be at least 1s" $v.gateway.pollInterval) -}}
{{- end -}}
{{- range $shorter, $longer := dict "defaultDeadline" "maxDeadline" "awsConnectTimeout" "awsAttemptTimeout" -}}
{{- if and (hasKey $time $shorter) (hasKey $time $longer) (gt (get $time $shorter) (get $time $longer)) -}}
{{- $wrong = append $wrong (printf "gateway.%s is longer than gateway.%s" $shorter $longer) -}}
{{- end -}}
{{- end -}}

{{- range splitList "," $v.gateway.logLevel -}}
{{- if not (regexMatch "(?i)^ *([^= ]+=)?(off|error|warn|info|debug|trace) *$" .) -}}
{{- $wrong = append $wrong (printf "gateway.logLevel has %q: the levels are off, error, warn, info, debug, trace, and a filter looks like info,codepipeline_gateway=debug" .) -}}
{{- end -}}
{{- end -}}
{{- if and $v.aws.useFips (not $v.aws.endpointUrl) (not (regexMatch "^(us-(east|west)-[12]|ca-central-1|us-gov-(east|west)-1)?$" $v.aws.region)) -}}
{{- $wrong = append $wrong (printf "aws.useFips is true, and CodePipeline has no FIPS endpoint in %s: it has one in us-east-1, us-east-2, us-west-1, us-west-2, ca-central-1, us-gov-east-1, and us-gov-west-1" $v.aws.region) -}}
{{- end -}}
{{- $wrong | toYaml -}}
{{- end }}

{{/* Checks operations and action types. */}}
{{- define "codepipeline-gateway.wrong.operations" -}}
{{- $wrong := list -}}
{{- $v := .Values -}}
{{- $operations := include "codepipeline-gateway.operations" . | splitList "," -}}
{{- if not $v.gateway.operations -}}
{{- $wrong = append $wrong (printf "gateway.operations is empty: name at least one of %s" (join ", " $operations)) -}}
{{- end -}}
{{- range $v.gateway.operations -}}
{{- if not (has . $operations) -}}
{{- $wrong = append $wrong (printf "gateway.operations has %q: the operations are %s" . (join ", " $operations)) -}}
{{- end -}}
{{- end -}}
{{- range $v.gateway.actionTypes -}}
{{- if not (regexMatch "^([0-9A-Za-z_-]+|[*])(/([0-9A-Za-z_-]+|[*])){3}$" .) -}}
{{- $wrong = append $wrong (printf "gateway.actionTypes has %q: an action type looks like Test/ThirdParty/Example/1 or Test/ThirdParty/Example/*" .) -}}
{{- end -}}
{{- end -}}
{{- if and $v.gateway.actionTypes $v.gateway.operations (not (has "poll" $v.gateway.operations)) (not (has "details" $v.gateway.operations)) -}}
{{- $wrong = append $wrong "gateway.actionTypes has no effect without poll or details in gateway.operations" -}}
{{- end -}}
{{- $wrong | toYaml -}}
{{- end }}

{{/* Checks auth. */}}
{{- define "codepipeline-gateway.wrong.callers" -}}
{{- $wrong := list -}}
{{- $v := .Values -}}
{{- $schemes := dict "mtls" (list "spiffe://" "dns:") "jwt" (list "sub:") -}}
{{- if eq $v.auth.mode "none" -}}
{{- if $v.auth.allow -}}
{{- $wrong = append $wrong "auth.allow has no effect with auth.mode=none: set auth.mode to mtls or jwt" -}}
{{- end -}}
{{- else -}}
{{- if not $v.auth.allow -}}
{{- $wrong = append $wrong (printf "auth.allow is empty: with auth.mode=%s no caller is allowed" $v.auth.mode) -}}
{{- end -}}
{{- range $name := $v.auth.allow -}}
{{- $fits := false -}}
{{- range get $schemes $v.auth.mode -}}
{{- if hasPrefix . $name -}}{{- $fits = true -}}{{- end -}}
{{- end -}}
{{- if not $fits -}}
{{- $wrong = append $wrong (printf "auth.allow has %q: with auth.mode=%s an entry must begin with %s" $name $v.auth.mode (get $schemes $v.auth.mode | join " or ")) -}}
{{- end -}}
{{- $limit := include "codepipeline-gateway.entryOperations" $name -}}
{{- $identity := trimSuffix (print "=" $limit) $name -}}
{{- if and $fits (or (regexMatch "^(spiffe://|dns:|sub:)/?$" $identity) (regexMatch "\\s" $identity)) -}}
{{- $wrong = append $wrong (printf "auth.allow has %q: an entry needs a name without spaces, such as spiffe://domain/ns/team/*, dns:worker.example, or sub:system:serviceaccount:team:*" $name) -}}
{{- end -}}
{{- if and $fits (contains "*" $identity) (not (regexMatch "^(spiffe://|sub:)[^*]+[/:][*]$" $identity)) -}}
{{- $wrong = append $wrong (printf "auth.allow has %q: a * can only be the end of a spiffe:// or sub: identity, right after a / or :, such as sub:system:serviceaccount:builds:*" $name) -}}
{{- end -}}
{{- if contains "," (trimSuffix $limit $name) -}}
{{- $wrong = append $wrong (printf "auth.allow has %q: only operations at the end of an entry can have commas, such as =poll,details" $name) -}}
{{- end -}}
{{- range splitList "," $limit -}}
{{- if and . $v.gateway.operations (not (has . $v.gateway.operations)) -}}
{{- $wrong = append $wrong (printf "auth.allow has %q, and gateway.operations doesn't offer %s" $name .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (eq $v.auth.mode "mtls") (not $v.tls.clientCa.existingSecret) -}}
{{- $wrong = append $wrong "tls.clientCa.existingSecret is empty: auth.mode=mtls needs the CA certificates of the callers' certificates" -}}
{{- end -}}
{{- if eq $v.auth.mode "jwt" -}}
{{- if not $v.auth.jwt.audience -}}
{{- $wrong = append $wrong "auth.jwt.audience is empty: auth.mode=jwt needs the audience of the callers' tokens" -}}
{{- end -}}
{{- if not (or $v.auth.jwt.issuer $v.auth.jwt.clusterKeys) -}}
{{- $wrong = append $wrong "auth.jwt.issuer is empty: auth.mode=jwt needs the issuer of the callers' tokens, or auth.jwt.clusterKeys" -}}
{{- end -}}
{{- if and $v.auth.jwt.issuer (not $v.auth.jwt.jwks) (not $v.auth.jwt.clusterKeys) (not (regexMatch "^https://[^/]" $v.auth.jwt.issuer)) -}}
{{- $wrong = append $wrong (printf "auth.jwt.issuer is %q: without auth.jwt.jwks, it must begin with https://" $v.auth.jwt.issuer) -}}
{{- end -}}
{{- if and $v.auth.jwt.clusterKeys (or $v.auth.jwt.jwks $v.auth.jwt.ca $v.auth.jwt.jwksTokenFile) -}}
{{- $wrong = append $wrong "auth.jwt.jwks, auth.jwt.ca and auth.jwt.jwksTokenFile have no effect with auth.jwt.clusterKeys" -}}
{{- end -}}
{{- if and $v.auth.jwt.jwks (not (regexMatch "^(https://[^/]|/)" $v.auth.jwt.jwks)) -}}
{{- $wrong = append $wrong (printf "auth.jwt.jwks is %q: use an https:// URL or the path of a file" $v.auth.jwt.jwks) -}}
{{- end -}}
{{- if and (hasPrefix "/" $v.auth.jwt.jwks) (or $v.auth.jwt.ca $v.auth.jwt.jwksTokenFile) -}}
{{- $wrong = append $wrong "auth.jwt.ca and auth.jwt.jwksTokenFile have no effect if auth.jwt.jwks is a file: remove them" -}}
{{- end -}}
{{- else if or $v.auth.jwt.issuer $v.auth.jwt.audience $v.auth.jwt.jwks $v.auth.jwt.clusterKeys $v.auth.jwt.ca $v.auth.jwt.jwksTokenFile -}}
{{- $wrong = append $wrong (printf "auth.jwt has no effect with auth.mode=%s" $v.auth.mode) -}}
{{- end -}}
{{- $wrong | toYaml -}}
{{- end }}

{{/* Checks tls. */}}
{{- define "codepipeline-gateway.wrong.tls" -}}
{{- $wrong := list -}}
{{- $v := .Values -}}
{{- if $v.tls.enabled -}}
{{- if and $v.tls.existingSecret $v.tls.certManager.enabled -}}
{{- $wrong = append $wrong "tls.existingSecret and tls.certManager.enabled exclude each other: remove one of them" -}}
{{- else if not (or $v.tls.existingSecret $v.tls.certManager.enabled) -}}
{{- $wrong = append $wrong "tls.existingSecret is empty: tls.enabled=true needs a certificate, so set tls.existingSecret or tls.certManager.enabled" -}}
{{- end -}}
{{- if and $v.tls.certManager.enabled (not $v.tls.certManager.issuerRef.name) -}}
{{- $wrong = append $wrong "tls.certManager.issuerRef.name is empty: tls.certManager.enabled=true needs an issuer" -}}
{{- end -}}
{{- if and $v.tls.certManager.enabled (not $v.tls.certManager.inClusterNames) (not $v.tls.certManager.dnsNames) -}}
{{- $wrong = append $wrong "tls.certManager.dnsNames is empty: with tls.certManager.inClusterNames=false the certificate would have no name" -}}
{{- end -}}
{{- else if or $v.tls.existingSecret $v.tls.clientCa.existingSecret $v.tls.certManager.enabled -}}
{{- $wrong = append $wrong "tls.existingSecret, tls.clientCa and tls.certManager have no effect without tls.enabled=true" -}}
{{- end -}}
{{- $wrong | toYaml -}}
{{- end }}

{{/* Checks autoscaling, podDisruptionBudget, and serviceAccount. */}}
{{- define "codepipeline-gateway.wrong.pods" -}}
{{- $wrong := list -}}
{{- $v := .Values -}}
{{- $fewest := $v.autoscaling.enabled | ternary $v.autoscaling.minReplicas $v.replicaCount | int -}}
{{- if $v.autoscaling.enabled -}}
{{- if gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas) -}}
{{- $wrong = append $wrong "autoscaling.minReplicas must be at most autoscaling.maxReplicas" -}}
{{- end -}}
{{- if not (or $v.autoscaling.targetCPUUtilizationPercentage $v.autoscaling.targetMemoryUtilizationPercentage $v.autoscaling.metrics) -}}
{{- $wrong = append $wrong "autoscaling.enabled=true needs a metric: set autoscaling.targetCPUUtilizationPercentage, targetMemoryUtilizationPercentage, or metrics" -}}
{{- end -}}
{{- $requests := get ($v.resources | default dict) "requests" | default dict -}}
{{- range $resource, $target := dict "cpu" "targetCPUUtilizationPercentage" "memory" "targetMemoryUtilizationPercentage" -}}
{{- if and (get $v.autoscaling $target) (not (get $requests $resource)) -}}
{{- $wrong = append $wrong (printf "autoscaling.%s is a percentage of resources.requests.%s, which is empty" $target $resource) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $v.podDisruptionBudget.enabled -}}
{{- /* A null counts as empty. A 0 is a number of pods. */ -}}
{{- $stay := kindIs "invalid" $v.podDisruptionBudget.minAvailable | ternary "" (toString $v.podDisruptionBudget.minAvailable) -}}
{{- $miss := kindIs "invalid" $v.podDisruptionBudget.maxUnavailable | ternary "" (toString $v.podDisruptionBudget.maxUnavailable) -}}
{{- if and $stay $miss -}}
{{- $wrong = append $wrong "podDisruptionBudget.minAvailable and maxUnavailable exclude each other: set one of them to \"\"" -}}
{{- else if not (or $stay $miss) -}}
{{- $wrong = append $wrong "podDisruptionBudget.enabled=true needs minAvailable or maxUnavailable" -}}
{{- else if regexMatch "^0+%?$" $miss -}}
{{- $wrong = append $wrong (printf "podDisruptionBudget.maxUnavailable is %s: Kubernetes could never drain a node" $miss) -}}
{{- else if and $stay (gt $fewest 0) -}}
{{- $kept := int $stay -}}
{{- if hasSuffix "%" $stay -}}{{- $kept = div (add (mul (trimSuffix "%" $stay | int) $fewest) 99) 100 | int -}}{{- end -}}
{{- if ge $kept $fewest -}}
{{- $wrong = append $wrong (printf "podDisruptionBudget.minAvailable is %s of %d pods: Kubernetes could never drain a node" $stay $fewest) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (not $v.serviceAccount.create) (not $v.serviceAccount.name) -}}
{{- $wrong = append $wrong "serviceAccount.name is empty: serviceAccount.create=false needs the name of an existing service account" -}}
{{- end -}}
{{- $wrong | toYaml -}}
{{- end }}

{{/* Checks names, pass-throughs, and what they add to the pods. */}}
{{- define "codepipeline-gateway.wrong.extensions" -}}
{{- $wrong := list -}}
{{- $v := .Values -}}
{{- $own := list -}}
{{- range include "codepipeline-gateway.env" . | fromYamlArray -}}{{- $own = append $own .name -}}{{- end -}}
{{- range $v.extraEnv -}}
{{- if has .name $own -}}
{{- $wrong = append $wrong (printf "extraEnv has %s, which another value of the chart sets: remove it from extraEnv" .name) -}}
{{- end -}}
{{- end -}}
{{- $own = list -}}
{{- range include "codepipeline-gateway.volumes" . | fromYamlArray -}}{{- $own = append $own .name -}}{{- end -}}
{{- range $v.extraVolumes -}}
{{- if has .name $own -}}
{{- $wrong = append $wrong (printf "extraVolumes has %s, a name that the chart uses: choose another name" .name) -}}
{{- end -}}
{{- end -}}
{{- range $name, $given := dict "extraEnv" $v.extraEnv "extraVolumes" $v.extraVolumes "extraContainers" (concat ($v.extraContainers | default list) ($v.extraInitContainers | default list)) -}}
{{- $seen := list -}}
{{- range $given -}}
{{- if has .name $seen -}}
{{- $wrong = append $wrong (printf "%s has %s twice" $name .name) -}}
{{- end -}}
{{- $seen = append $seen .name -}}
{{- end -}}
{{- end -}}
{{- if and (eq (get ($v.strategy | default dict) "type") "Recreate") (get $v.strategy "rollingUpdate") -}}
{{- $wrong = append $wrong "strategy.type is Recreate, which has no rollingUpdate: set strategy.rollingUpdate to null" -}}
{{- end -}}
{{- range concat ($v.extraContainers | default list) ($v.extraInitContainers | default list) -}}
{{- if eq .name "gateway" -}}
{{- $wrong = append $wrong "extraContainers has gateway, a name that the chart uses: choose another name" -}}
{{- end -}}
{{- end -}}
{{- range $v.extraVolumes -}}{{- $own = append $own .name -}}{{- end -}}
{{- range $v.extraVolumeMounts -}}
{{- if not (has .name $own) -}}
{{- $wrong = append $wrong (printf "extraVolumeMounts has %s, which isn't a volume in extraVolumes" .name) -}}
{{- end -}}
{{- if hasPrefix (print (include "codepipeline-gateway.files" $) "/") (print (.mountPath | default "") "/") -}}
{{- $wrong = append $wrong (printf "extraVolumeMounts has %s, where the chart mounts its own files: choose another path" .mountPath) -}}
{{- end -}}
{{- end -}}
{{- /* Keys that the chart sets next to a pass-through. If both set one, the key would be a duplicate. */ -}}
{{- $own := include "codepipeline-gateway.ownFields" . | fromYaml -}}
{{- range $path, $keys := $own -}}
{{- $given := $v -}}
{{- range splitList "." $path -}}{{- $given = get ($given | default dict) . -}}{{- end -}}
{{- range $key, $_ := $given | default dict -}}
{{- if has $key $keys -}}
{{- $wrong = append $wrong (printf "%s has %s, which the chart sets: remove it" $path $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not (or $v.fullnameOverride (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" (include "codepipeline-gateway.fullname" .))) -}}
{{- $wrong = append $wrong (printf "the name %s isn't valid for a Service, which needs a letter first and has no dot: set fullnameOverride" (include "codepipeline-gateway.fullname" .)) -}}
{{- end -}}
{{- $wrong | toYaml -}}
{{- end }}

{{/* Checks networkPolicy, grpcRoute, and metrics. */}}
{{- define "codepipeline-gateway.wrong.network" -}}
{{- $wrong := list -}}
{{- $v := .Values -}}
{{- if and $v.networkPolicy.enabled (not $v.networkPolicy.ingress.from) -}}
{{- $wrong = append $wrong "networkPolicy.ingress.from is empty, so any client could call: add the peers that can call" -}}
{{- end -}}
{{- $octet := "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])" -}}
{{- $range := printf "^(%s([.]%s){3}/([12]?[0-9]|3[0-2])|[0-9a-fA-F]*:[0-9a-fA-F:.]*/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$" $octet $octet -}}
{{- $ranges := dict "networkPolicy.egress.https.cidrs" ($v.networkPolicy.egress.https.cidrs | default list) -}}
{{- $peers := dict
      "networkPolicy.ingress.from" $v.networkPolicy.ingress.from
      "networkPolicy.ingress.monitoring" $v.networkPolicy.ingress.monitoring
      "networkPolicy.egress.dns.to" $v.networkPolicy.egress.dns.to
      "networkPolicy.egress.otherPorts.to" $v.networkPolicy.egress.otherPorts.to -}}
{{- range $name, $list := $peers -}}
{{- range $list -}}
{{- with .ipBlock -}}{{- $_ := set $ranges $name (append (get $ranges $name | default list) .cidr) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $list := $ranges -}}
{{- range $list -}}
{{- if not (regexMatch $range (toString .)) -}}
{{- $wrong = append $wrong (printf "%s has %q: a range of addresses looks like 10.0.0.0/16 or 2001:db8::/32" $name (toString .)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $v.grpcRoute.enabled (not $v.grpcRoute.parentRefs) -}}
{{- $wrong = append $wrong "grpcRoute.parentRefs is empty: grpcRoute.enabled=true needs a Gateway" -}}
{{- end -}}
{{- range $v.grpcRoute.rules -}}
{{- if hasKey . "backendRefs" -}}
{{- $wrong = append $wrong "grpcRoute.rules has backendRefs: the chart sets them, so remove them" -}}
{{- end -}}
{{- end -}}
{{- if and $v.metrics.podMonitor.enabled $v.metrics.serviceMonitor.enabled -}}
{{- $wrong = append $wrong "metrics.podMonitor.enabled and metrics.serviceMonitor.enabled are both true, so Prometheus would scrape every pod twice: set one of them to false" -}}
{{- end -}}
{{- if and $v.metrics.dashboard.grafanaUrl (not $v.metrics.dashboard.enabled) -}}
{{- $wrong = append $wrong "metrics.dashboard.grafanaUrl has no effect without metrics.dashboard.enabled=true" -}}
{{- end -}}
{{- range $label, $_ := $v.metrics.prometheusRule.alertLabels -}}
{{- if has $label (list "alertname" "severity" "namespace" "deployment" "pod" "reason" "grpc_method") -}}
{{- $wrong = append $wrong (printf "metrics.prometheusRule.alertLabels has %s, a label that the alerts set: choose another name" $label) -}}
{{- end -}}
{{- end -}}
{{- $alerts := list -}}
{{- range .Files.Get "files/alerts.yaml" | fromYamlArray -}}{{- $alerts = append $alerts .alert -}}{{- end -}}
{{- range $v.metrics.prometheusRule.disabled -}}
{{- if not (has . $alerts) -}}
{{- $wrong = append $wrong (printf "metrics.prometheusRule.disabled has %s, which isn't an alert: the alerts are %s" . (join ", " $alerts)) -}}
{{- end -}}
{{- end -}}
{{- $wrong | toYaml -}}
{{- end }}

{{/* The fields of each pass-through that the chart sets, and those that contradict them, such as a second kind of probe. */}}
{{- define "codepipeline-gateway.ownFields" -}}
{{- $labels := list "app.kubernetes.io/name" "app.kubernetes.io/instance" -}}
{{- $all := concat $labels (list "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart") -}}
{{- $pod := list "serviceAccountName" "automountServiceAccountToken" "enableServiceLinks" "terminationGracePeriodSeconds"
      "imagePullSecrets" "securityContext" "initContainers" "containers" "volumes" "topologySpreadConstraints" "nodeSelector"
      "tolerations" "affinity" "priorityClassName" -}}
{{- $probe := list "httpGet" "exec" "grpc" "tcpSocket" -}}
{{- dict
      "probes.startup" $probe
      "probes.readiness" $probe
      "probes.liveness" $probe
      "service.extraSpec" (list "type" "selector" "ports")
      "podLabels" $labels
      "commonLabels" (concat $all (list "app.kubernetes.io/component"))
      "podExtraSpec" $pod
      "metrics.podMonitor.labels" $all
      "metrics.serviceMonitor.labels" $all
      "metrics.prometheusRule.labels" $all
      "metrics.dashboard.labels" $all
    | toYaml -}}
{{- end }}

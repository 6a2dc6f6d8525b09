{{/* Checks the form of single values. values.schema.json would print a regular expression, so it leaves these checks to the
sentences below. */}}

{{/* The values that are text. YAML and --set take 1234 or true for a number or a boolean. */}}
{{- define "codepipeline-gateway.texts" -}}
- aws.region
- aws.roleArn
- aws.existingSecret.name
- aws.existingSecret.accessKeyIdKey
- aws.existingSecret.secretAccessKeyKey
- aws.existingSecret.sessionTokenKey
- aws.existingSecret.fileKey
- aws.existingSecret.profile
- aws.endpointUrl
- auth.jwt.issuer
- auth.jwt.audience
- auth.jwt.jwks
- auth.jwt.ca
- auth.jwt.jwksTokenFile
- tls.existingSecret
- tls.clientCa.existingSecret
- tls.clientCa.key
- tls.certManager.issuerRef.name
- tls.certManager.issuerRef.kind
- tls.certManager.issuerRef.group
- tls.certManager.duration
- tls.certManager.renewBefore
- gateway.grpcAddr
- gateway.adminAddr
- gateway.defaultDeadline
- gateway.maxDeadline
- gateway.pollInterval
- gateway.maxConnectionAge
- gateway.shutdownDelay
- gateway.drainTimeout
- gateway.awsAttemptTimeout
- gateway.awsConnectTimeout
- gateway.awsIdleTimeout
- gateway.logLevel
- gateway.otlpEndpoint
- image.repository
- image.tag
- image.digest
- serviceAccount.name
- priorityClassName
- service.appProtocol
- clusterDomain
- metrics.podMonitor.interval
- metrics.podMonitor.scrapeTimeout
- metrics.serviceMonitor.interval
- metrics.serviceMonitor.scrapeTimeout
- metrics.prometheusRule.runbookUrl
- metrics.dashboard.grafanaUrl
- test.caKey
- test.serverName
- test.clientSecret
- nameOverride
- fullnameOverride
- namespaceOverride
{{- end }}

{{/* The labels and annotations, whose values are text. */}}
{{- define "codepipeline-gateway.textMaps" -}}
- serviceAccount.annotations
- nodeSelector
- deploymentAnnotations
- podLabels
- podAnnotations
- service.annotations
- grpcRoute.annotations
- metrics.podMonitor.labels
- metrics.serviceMonitor.labels
- metrics.prometheusRule.labels
- metrics.prometheusRule.alertLabels
- metrics.dashboard.labels
- metrics.dashboard.annotations
- commonLabels
{{- end }}

{{/* The forms: what a value matches, what the message says, and the values that have the form. */}}
{{- define "codepipeline-gateway.forms" -}}
- matches: ^([a-z]{2,4}(-[a-z]+)+-[0-9]+)?$
  says: a region looks like eu-west-1
  values: [aws.region]
- matches: ^([a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?)?$
  says: a name of Kubernetes has lowercase letters, digits, hyphens, and dots, such as gateway-tls
  values: [aws.existingSecret.name, tls.existingSecret, tls.clientCa.existingSecret, serviceAccount.name, priorityClassName, test.clientSecret]
- matches: ^[-._a-zA-Z0-9]+$
  says: a key of a Secret has letters, digits, hyphens, dots, and underscores, such as ca.crt
  values: [aws.existingSecret.accessKeyIdKey, aws.existingSecret.secretAccessKeyKey, aws.existingSecret.fileKey, tls.clientCa.key]
- matches: ^[-._a-zA-Z0-9]*$
  says: a key of a Secret has letters, digits, hyphens, dots, and underscores, such as ca.crt
  values: [aws.existingSecret.sessionTokenKey, test.caKey]
- matches: ^(/.+)?$
  says: a path begins with /, such as /etc/keys/ca.crt
  values: [auth.jwt.ca, auth.jwt.jwksTokenFile]
- matches: ^(sha256:[0-9a-f]{64})?$
  says: a digest is sha256:, then 64 digits from 0 to 9 and a to f
  values: [image.digest]
- matches: ^[^\s@]*$
  says: a repository has no digest and no space, such as registry.example/codepipeline-gateway
  values: [image.repository]
- matches: ^([a-zA-Z0-9_][-.a-zA-Z0-9_]{0,127})?$
  says: a tag has letters, digits, hyphens, dots, and underscores, such as 1.2.3
  values: [image.tag]
- matches: ^(https?://[^/].*)?$
  says: a URL begins with http:// or https://
  values: [metrics.dashboard.grafanaUrl]
- matches: .
  says: it must not be empty
  values: [tls.certManager.issuerRef.kind, tls.certManager.issuerRef.group, clusterDomain, metrics.prometheusRule.runbookUrl]
- matches: ^([0-9]+(ms|s|m|h|d))*$
  says: a time looks like 30s or 1m30s
  values: [metrics.podMonitor.interval, metrics.podMonitor.scrapeTimeout, metrics.serviceMonitor.interval, metrics.serviceMonitor.scrapeTimeout]
- matches: ^([0-9]+(ms|s|m|h))*$
  says: a time looks like 2160h
  values: [tls.certManager.duration, tls.certManager.renewBefore]
- matches: ^([a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?)?$
  says: at most 50 lowercase letters, digits, and hyphens, such as gateway
  values: [nameOverride]
- matches: ^([a-z]([-a-z0-9]{0,48}[a-z0-9])?)?$
  says: at most 50 lowercase letters, digits, and hyphens, with a letter first, such as gateway
  values: [fullnameOverride]
- matches: ^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$
  says: a namespace has at most 63 lowercase letters, digits, and hyphens, such as gateways
  values: [namespaceOverride]
- matches: ^([0-9]+%?)?$
  says: a number of pods or a percentage, such as 1 or 50%
  values: [podDisruptionBudget.minAvailable, podDisruptionBudget.maxUnavailable]
{{- end }}

{{/* A value by its path, such as aws.region: the argument is (list . path). */}}
{{- define "codepipeline-gateway.valueAt" -}}
{{- $found := (index . 0).Values -}}
{{- range splitList "." (index . 1) -}}{{- $found = get ($found | default dict) . -}}{{- end -}}
{{- dict "value" $found | toYaml -}}
{{- end }}

{{/* What is wrong with the types, as a list of sentences. The other checks need texts, so they come after these. */}}
{{- define "codepipeline-gateway.wrongTypes" -}}
{{- $wrong := list -}}
{{- $quote := "use --set-string instead of --set, or quotes in a values file" -}}
{{- range $path := include "codepipeline-gateway.texts" . | fromYamlArray -}}
{{- $value := get (include "codepipeline-gateway.valueAt" (list $ $path) | fromYaml) "value" -}}
{{- if not (or (kindIs "string" $value) (kindIs "invalid" $value)) -}}
{{- $kind := kindIs "bool" $value | ternary "boolean" "number" -}}
{{- $isTime := regexMatch "^gateway\\.[a-zA-Z]+(Deadline|Interval|Age|Delay|Timeout)$" $path -}}
{{- $wrong = append $wrong (printf "%s is a %s: %s" $path $kind ($isTime | ternary "a time has a unit, such as 500ms, 5s, or 1m30s" $quote)) -}}
{{- end -}}
{{- end -}}
{{- range $path := include "codepipeline-gateway.textMaps" . | fromYamlArray -}}
{{- range $key, $value := get (include "codepipeline-gateway.valueAt" (list $ $path) | fromYaml) "value" | default dict -}}
{{- if not (kindIs "string" $value) -}}
{{- $wrong = append $wrong (printf "%s has %s, which is a %s: %s" $path $key (kindIs "bool" $value | ternary "boolean" "number") $quote) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if and (hasKey . "value") (not (kindIs "string" .value)) -}}
{{- $wrong = append $wrong (printf "extraEnv has %v, whose value is a %s: %s" .name (kindIs "bool" .value | ternary "boolean" "number") $quote) -}}
{{- end -}}
{{- end -}}
{{- $wrong | toYaml -}}
{{- end }}

{{/* What is wrong with the forms, as a list of sentences. */}}
{{- define "codepipeline-gateway.wrongForms" -}}
{{- $wrong := list -}}
{{- range $form := include "codepipeline-gateway.forms" . | fromYamlArray -}}
{{- range $path := $form.values -}}
{{- $value := get (include "codepipeline-gateway.valueAt" (list $ $path) | fromYaml) "value" -}}
{{- $text := kindIs "invalid" $value | ternary "" (toString $value) -}}
{{- if not (regexMatch $form.matches $text) -}}
{{- $wrong = append $wrong (printf "%s is %q: %s" $path $text $form.says) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $share := toString .Values.metrics.prometheusRule.errorBudgetPercentage -}}
{{- if not (and (regexMatch "^[0-9]+(\\.[0-9]+)?$" $share) (gt (float64 $share) 0.0) (le (float64 $share) 5.0)) -}}
{{- $wrong = append $wrong (printf "metrics.prometheusRule.errorBudgetPercentage is %s: it must be greater than 0 and at most 5" $share) -}}
{{- end -}}
{{- $wrong | toYaml -}}
{{- end }}

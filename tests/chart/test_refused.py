"""Values that make no sense: each has its sentence, word for word, and it names the value."""

import re

import pytest

import chart

ACCOUNT = "arn:aws:iam::111122223333:role/gateway"

# Scenario, what is set in it, and the sentences of _validate.tpl: all of them, no more.
GUARDS = [
    ("default", "aws.region=", "aws.region is empty: set the region of CodePipeline, such as --set aws.region=eu-west-1"),
    ("irsa", "aws.roleArn=", "aws.roleArn is empty: aws.auth=irsa needs the role of the service account"),
    ("irsa", "aws.roleArn=gateway", 'aws.roleArn is "gateway": a role looks like arn:aws:iam::111122223333:role/name'),
    ("irsa", "serviceAccount.create=false", "aws.roleArn has no effect with serviceAccount.create=false: remove aws.roleArn, and annotate the service account yourself"),
    ("default", f"aws.roleArn={ACCOUNT}", "aws.roleArn is for aws.auth=irsa, and aws.auth is podIdentity"),
    ("default", "aws.auth=secretEnv", "aws.existingSecret.name is empty: aws.auth=secretEnv needs a Secret"),
    ("default", "aws.auth=secretFile", "aws.existingSecret.name is empty: aws.auth=secretFile needs a Secret"),
    ("default", "aws.existingSecret.name=keys", "aws.existingSecret.name is for aws.auth=secretEnv or secretFile, and aws.auth is podIdentity"),
    ("default", "aws.endpointUrl=vpce.example", 'aws.endpointUrl is "vpce.example": it must begin with http:// or https://'),
    ("default", "gateway.otlpEndpoint=collector:4317", 'gateway.otlpEndpoint is "collector:4317": it must begin with http:// or https://'),
    ("default", "gateway.grpcAddr=50051", 'gateway.grpcAddr is "50051": an address looks like [::]:50051 or 0.0.0.0:50051', "--set-string"),
    ("default", "gateway.adminAddr=localhost:9090", 'gateway.adminAddr is "localhost:9090": an address looks like [::]:50051 or 0.0.0.0:50051'),
    ("default", "gateway.adminAddr=127.0.0.1:9090", 'gateway.adminAddr is "127.0.0.1:9090": probes can\'t reach a loopback address, so use an address such as [::]:9090'),
    ("default", "gateway.grpcAddr=[::]:65536", 'gateway.grpcAddr is "[::]:65536": a port is at most 65535'),
    ("default", "gateway.adminAddr=0.0.0.0:99999", 'gateway.adminAddr is "0.0.0.0:99999": a port is at most 65535'),
    ("default", "gateway.adminAddr=0.0.0.0:50051", "gateway.grpcAddr and gateway.adminAddr have the same port: change one of them"),
    ("default", "gateway.shutdownDelay=5 sec", 'gateway.shutdownDelay is "5 sec": a time looks like 500ms, 5s, or 1m30s'),
    ("default", "gateway.drainTimeout=30", 'gateway.drainTimeout is "30": a time looks like 500ms, 5s, or 1m30s', "--set-string"),
    ("default", "gateway.maxConnectionAge=", 'gateway.maxConnectionAge is "": a time looks like 500ms, 5s, or 1m30s'),
    ("default", "gateway.defaultDeadline=0s", 'gateway.defaultDeadline is "0s": it must be greater than 0s'),
    ("default", "gateway.defaultDeadline=1ms,gateway.maxDeadline=0h0m", 'gateway.maxDeadline is "0h0m": it must be greater than 0s'),
    ("default", "gateway.maxConnectionAge=0ms", 'gateway.maxConnectionAge is "0ms": it must be greater than 0s'),
    ("default", "gateway.awsConnectTimeout=1ms,gateway.awsAttemptTimeout=0s", 'gateway.awsAttemptTimeout is "0s": it must be greater than 0s'),
    ("default", "gateway.pollInterval=999ms", 'gateway.pollInterval is "999ms": it must be at least 1s'),
    ("default", "gateway.awsIdleTimeout=0s", 'gateway.awsIdleTimeout is "0s": it must be greater than 0s'),
    ("default", "gateway.awsConnectTimeout=0s", 'gateway.awsConnectTimeout is "0s": it must be greater than 0s'),
    ("default", "gateway.defaultDeadline=31s", "gateway.defaultDeadline is longer than gateway.maxDeadline"),
    ("default", "gateway.awsConnectTimeout=1m", "gateway.awsConnectTimeout is longer than gateway.awsAttemptTimeout"),
    ("default", "auth.allow={dns:a.example}", "auth.allow has no effect with auth.mode=none: set auth.mode to mtls or jwt"),
    ("mtls", "auth.allow=null", "auth.allow is empty: with auth.mode=mtls no caller is allowed"),
    ("mtls", "auth.allow={sub:a}", 'auth.allow has "sub:a": with auth.mode=mtls an entry must begin with spiffe:// or dns:'),
    ("jwt-cluster", "auth.allow={dns:a}", 'auth.allow has "dns:a": with auth.mode=jwt an entry must begin with sub:'),
    ("jwt-cluster", "auth.allow={sub:a\\,sub:b}", 'auth.allow has "sub:a,sub:b": only operations at the end of an entry can have commas, such as =poll,details'),
    ("jwt-cluster", "auth.allow={sub:a=poll\\,detail}", 'auth.allow has "sub:a=poll,detail": only operations at the end of an entry can have commas, such as =poll,details'),
    ("jwt-cluster", "auth.allow={sub:a=detail\\,poll}", 'auth.allow has "sub:a=detail,poll": only operations at the end of an entry can have commas, such as =poll,details'),
    ("jwt-cluster", "gateway.operations={poll},auth.allow={sub:a=poll\\,success}", 'auth.allow has "sub:a=poll,success", and gateway.operations doesn\'t offer success'),
    ("default", "gateway.operations=null", "gateway.operations is empty: name at least one of poll, details, acknowledge, success, failure"),
    ("default", "gateway.operations={poll,Details}", 'gateway.operations has "Details": the operations are poll, details, acknowledge, success, failure'),
    ("default", "gateway.actionTypes={Test/ThirdParty/Example}", 'gateway.actionTypes has "Test/ThirdParty/Example": an action type looks like Test/ThirdParty/Example/1 or Test/ThirdParty/Example/*'),
    ("default", "gateway.actionTypes={Test/ThirdParty/Ex*/1}", 'gateway.actionTypes has "Test/ThirdParty/Ex*/1": an action type looks like Test/ThirdParty/Example/1 or Test/ThirdParty/Example/*'),
    ("default", "gateway.actionTypes={Test/ThirdParty/Example/1.0}", 'gateway.actionTypes has "Test/ThirdParty/Example/1.0": an action type looks like Test/ThirdParty/Example/1 or Test/ThirdParty/Example/*'),
    ("default", "gateway.actionTypes={Test//Example/1}", 'gateway.actionTypes has "Test//Example/1": an action type looks like Test/ThirdParty/Example/1 or Test/ThirdParty/Example/*'),
    ("default", "gateway.operations={success},gateway.actionTypes={*/*/*/*}", "gateway.actionTypes has no effect without poll or details in gateway.operations"),
    ("mtls", "tls.clientCa.existingSecret=", "tls.clientCa.existingSecret is empty: auth.mode=mtls needs the CA certificates of the callers' certificates"),
    ("jwt-cluster", "auth.jwt.audience=", "auth.jwt.audience is empty: auth.mode=jwt needs the audience of the callers' tokens"),
    ("jwt-issuer", "auth.jwt.issuer=", "auth.jwt.issuer is empty: auth.mode=jwt needs the issuer of the callers' tokens, or auth.jwt.clusterKeys"),
    ("jwt-issuer", "auth.jwt.clusterKeys=true", "auth.jwt.jwks, auth.jwt.ca and auth.jwt.jwksTokenFile have no effect with auth.jwt.clusterKeys"),
    ("jwt-issuer", "auth.jwt.jwks=http://keys.example", 'auth.jwt.jwks is "http://keys.example": use an https:// URL or the path of a file'),
    ("default", "auth.jwt.audience=gateway", "auth.jwt has no effect with auth.mode=none"),
    ("mtls", "auth.jwt.clusterKeys=true", "auth.jwt has no effect with auth.mode=mtls"),
    ("mtls", "tls.certManager.enabled=true,tls.certManager.issuerRef.name=a", "tls.existingSecret and tls.certManager.enabled exclude each other: remove one of them"),
    ("default", "tls.enabled=true", "tls.existingSecret is empty: tls.enabled=true needs a certificate, so set tls.existingSecret or tls.certManager.enabled"),
    ("cert-manager", "tls.certManager.issuerRef.name=", "tls.certManager.issuerRef.name is empty: tls.certManager.enabled=true needs an issuer"),
    ("default", "tls.existingSecret=a", "tls.existingSecret, tls.clientCa and tls.certManager have no effect without tls.enabled=true"),
    ("everything", "autoscaling.minReplicas=31", "autoscaling.minReplicas must be at most autoscaling.maxReplicas"),
    ("default", "autoscaling.enabled=true,autoscaling.targetCPUUtilizationPercentage=", "autoscaling.enabled=true needs a metric: set autoscaling.targetCPUUtilizationPercentage, targetMemoryUtilizationPercentage, or metrics"),
    ("default", "autoscaling.enabled=true,resources.requests.cpu=null", "autoscaling.targetCPUUtilizationPercentage is a percentage of resources.requests.cpu, which is empty"),
    ("default", "autoscaling.enabled=true,resources.requests=null", "autoscaling.targetCPUUtilizationPercentage is a percentage of resources.requests.cpu, which is empty"),
    ("default", "autoscaling.enabled=true,resources=null", "autoscaling.targetCPUUtilizationPercentage is a percentage of resources.requests.cpu, which is empty"),
    ("default", "podDisruptionBudget.minAvailable=1", 'podDisruptionBudget.minAvailable and maxUnavailable exclude each other: set one of them to ""'),
    ("default", "podDisruptionBudget.maxUnavailable=null", "podDisruptionBudget.enabled=true needs minAvailable or maxUnavailable"),
    ("default", "podDisruptionBudget.maxUnavailable=0", "podDisruptionBudget.maxUnavailable is 0: Kubernetes could never drain a node"),
    ("default", "podDisruptionBudget.maxUnavailable=0%", "podDisruptionBudget.maxUnavailable is 0%: Kubernetes could never drain a node"),
    ("everything", "podDisruptionBudget.minAvailable=3", "podDisruptionBudget.minAvailable is 3 of 3 pods: Kubernetes could never drain a node"),
    ("everything", "podDisruptionBudget.minAvailable=67%", "podDisruptionBudget.minAvailable is 67% of 3 pods: Kubernetes could never drain a node"),
    ("minimal", "serviceAccount.name=", "serviceAccount.name is empty: serviceAccount.create=false needs the name of an existing service account"),
    ("default", "image.tag=1.2.3,image.digest=sha256:" + 64 * "a", "image.tag has no effect beside image.digest, which a released chart has: set one of them to an empty text"),
    ("default", "extraEnv[0].name=GATEWAY_LOG_LEVEL", "extraEnv has GATEWAY_LOG_LEVEL, which another value of the chart sets: remove it from extraEnv"),
    ("mtls", "extraVolumes[0].name=tls", "extraVolumes has tls, a name that the chart uses: choose another name"),
    ("everything", "networkPolicy.ingress.from=null", "networkPolicy.ingress.from is empty, so any client could call: add the peers that can call"),
    ("cert-manager", "grpcRoute.parentRefs=null", "grpcRoute.parentRefs is empty: grpcRoute.enabled=true needs a Gateway"),
    ("grpc-route", "grpcRoute.rules[0].backendRefs[0].name=a", "grpcRoute.rules has backendRefs: the chart sets them, so remove them"),
    ("everything", "metrics.serviceMonitor.enabled=true", "metrics.podMonitor.enabled and metrics.serviceMonitor.enabled are both true, so Prometheus would scrape every pod twice: set one of them to false"),
    ("default", "image.repository=", "image.repository is empty: a checkout has no image of its own. Build one from the Dockerfile, push it, and set image.repository, or install a released chart"),
    *(("everything", f"networkPolicy.egress.https.cidrs={{{cidr}}}", f'networkPolicy.egress.https.cidrs has "{cidr}": a range of addresses looks like 10.0.0.0/16 or 2001:db8::/32') for cidr in ("anywhere", "999.0.0.0/99", "10.0.0.0/33", "::/129", "10.0.0.0")),
    *(("everything", f"networkPolicy.{peers}[0].ipBlock.cidr=10.0.0.0/33", f'networkPolicy.{peers} has "10.0.0.0/33": a range of addresses looks like 10.0.0.0/16 or 2001:db8::/32') for peers in ("ingress.from", "ingress.monitoring", "egress.dns.to", "egress.otherPorts.to")),
    *(("jwt-cluster", f"auth.allow={{sub:{name}}}", f'auth.allow has "sub:{name}": a * can only be the end of a spiffe:// or sub: identity, right after a / or :, such as sub:system:serviceaccount:builds:*') for name in ("a*b", "a*", "*", "a:**")),
    ("mtls", "auth.allow={dns:*.example.com}", 'auth.allow has "dns:*.example.com": a * can only be the end of a spiffe:// or sub: identity, right after a / or :, such as sub:system:serviceaccount:builds:*'),
    ("jwt-issuer", "auth.jwt.issuer=oidc.eks,auth.jwt.jwks=", 'auth.jwt.issuer is "oidc.eks": without auth.jwt.jwks, it must begin with https://'),
    ("jwt-issuer", "auth.jwt.issuer=http://oidc.eks,auth.jwt.jwks=", 'auth.jwt.issuer is "http://oidc.eks": without auth.jwt.jwks, it must begin with https://'),
    ("jwt-issuer", "auth.jwt.jwks=/keys/jwks.json", "auth.jwt.ca and auth.jwt.jwksTokenFile have no effect if auth.jwt.jwks is a file: remove them"),
    *(("jwt-cluster", f"auth.allow={{{name}}}", f'auth.allow has "{name}": an entry needs a name without spaces, such as spiffe://domain/ns/team/*, dns:worker.example, or sub:system:serviceaccount:team:*') for name in ("sub:", "sub:a b")),
    ("default", "gateway.otlpEndpoint=http://collector:4318/v1/traces", 'gateway.otlpEndpoint is "http://collector:4318/v1/traces": the gateway exports OTLP over gRPC, so remove the path'),
    ("default", "gateway.maxConnectionAge=8761h", 'gateway.maxConnectionAge is "8761h": it must be at most a year'),
    *(("default", f"gateway.logLevel={level}", f'gateway.logLevel has "{level}": the levels are off, error, warn, info, debug, trace, and a filter looks like info,codepipeline_gateway=debug') for level in ("verbose", "codepipeline_gateway")),
    ("default", "aws.useFips=true", "aws.useFips is true, and CodePipeline has no FIPS endpoint in eu-west-1: it has one in us-east-1, us-east-2, us-west-1, us-west-2, ca-central-1, us-gov-east-1, and us-gov-west-1"),
    ("default", "extraVolumeMounts[0].name=a,extraVolumeMounts[0].mountPath=/a", "extraVolumeMounts has a, which isn't a volume in extraVolumes"),
    ("cert-manager", "tls.certManager.inClusterNames=false,tls.certManager.dnsNames=null", "tls.certManager.dnsNames is empty: with tls.certManager.inClusterNames=false the certificate would have no name"),
    ("default", "strategy.type=Recreate", "strategy.type is Recreate, which has no rollingUpdate: set strategy.rollingUpdate to null"),
    ("default", "extraContainers[0].name=a,extraInitContainers[0].name=a", "extraContainers has a twice"),
    ("default", "extraEnv[0].name=A,extraEnv[1].name=A", "extraEnv has A twice"),
    ("default", "extraContainers[0].name=gateway", "extraContainers has gateway, a name that the chart uses: choose another name"),
    ("default", "extraVolumes[0].name=a,extraVolumeMounts[0].name=a,extraVolumeMounts[0].mountPath=/var/run/codepipeline-gateway", "extraVolumeMounts has /var/run/codepipeline-gateway, where the chart mounts its own files: choose another path"),
    ("default", "service.extraSpec.type=ExternalName", "service.extraSpec has type, which the chart sets: remove it"),
    ("default", "probes.startup.httpGet.path=/", "probes.startup has httpGet, which the chart sets: remove it"),
    ("default", "podLabels.app\\.kubernetes\\.io/name=a", "podLabels has app.kubernetes.io/name, which the chart sets: remove it"),
    ("default", "metrics.dashboard.grafanaUrl=https://grafana.example", "metrics.dashboard.grafanaUrl has no effect without metrics.dashboard.enabled=true"),
    ("everything", "metrics.prometheusRule.alertLabels.deployment=a", "metrics.prometheusRule.alertLabels has deployment, a label that the alerts set: choose another name"),
]

# What the schema refuses before the guards see it: the path that has to be named, and what is wrong with it.
SCHEMA = [
    ("awz.region=a", "at '': additional properties 'awz' not allowed"),
    ("aws.regoin=a", "at '/aws': additional properties 'regoin' not allowed"),
    ("aws.auth=pod-identity", "at '/aws/auth': value must be one of 'podIdentity', 'irsa', 'secretEnv', 'secretFile', 'none'"),
    ("auth.mode=tls", "at '/auth/mode': value must be one of 'none', 'mtls', 'jwt'"),
    ("auth.jwt.clusterkeys=true", "at '/auth/jwt': additional properties 'clusterkeys' not allowed"),
    ("tls.clientCA.existingSecret=a", "at '/tls': additional properties 'clientCA' not allowed"),
    ("gateway.maxInflight=1", "at '/gateway': additional properties 'maxInflight' not allowed"),
    ("gateway.maxPollWaiters=0", "at '/gateway/maxPollWaiters': minimum: got 0, want 1"),
    ("gateway.maxInFlight=0", "at '/gateway/maxInFlight': minimum: got 0, want 1"),
    ("gateway.maxInFlight=many", "at '/gateway/maxInFlight': got string, want integer"),
    ("gateway.reflection=on", "at '/gateway/reflection': got string, want boolean"),
    ("gateway.operations=poll", "at '/gateway/operations': got string, want array"),
    ("gateway.operations={poll,poll}", "at '/gateway/operations': items at 0 and 1 are equal"),
    ("gateway.actionTypes={1}", "at '/gateway/actionTypes/0': got number, want string"),
    ("gateway.artifactCredentials=hide", "at '/gateway/artifactCredentials': value must be one of 'withhold', 'include'"),
    ("gateway.logFormat=xml", "at '/gateway/logFormat': value must be one of 'json', 'text'"),
    ("replicaCount=-1", "at '/replicaCount': minimum: got -1, want 0"),
    ("service.type=ExternalName", "at '/service/type': value must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'"),
    ("service.port=0", "at '/service/port': minimum: got 0, want 1"),
    ("extraEnv[0].nmae=A", "at '/extraEnv/0': missing property 'name'"),
]

# What stays open: every partition's regions, times that may be none, a parent chart's keys, and whatever Kubernetes may have.
OPEN = [
    *(f"aws.region={region}" for region in ("ap-southeast-2", "us-gov-west-1", "us-isob-east-1", "cn-north-1", "eusc-de-east-1")),
    "gateway.shutdownDelay=0s,gateway.drainTimeout=0s",
    "gateway.grpcAddr=[::]:65535",
    "gateway.operations={acknowledge}",
    "gateway.actionTypes={*/*/*/*,Compute/ThirdParty/Another_Provider-1/1}",
    "resources=null",
    "gateway.logLevel=INFO\\,a::b=Trace",
    "aws.useFips=true,aws.region=us-gov-west-1",
    "networkPolicy.egress.https.cidrs={0.0.0.0/0,10.1.2.3/32,::/0,2001:db8::/32}",
    "strategy.type=Recreate,strategy.rollingUpdate=null",
    "metrics.prometheusRule.errorBudgetPercentage=0.25",
    "metrics.prometheusRule.errorBudgetPercentage=1",
    "global.anything=1",
    "enabled=true",
    "resources.claims[0].name=a",
    "probes.liveness.anything=1",
    "affinity.podAffinity.anything=1",
    "service.extraSpec.anything=1",
    "podSecurityContext.supplementalGroups[0]=1",
    "extraEnv[0].name=A,extraEnv[0].valueFrom.anything=1",
]


@pytest.mark.parametrize("scenario_name, values, sentence, how", [(*case, "--set")[:4] for case in GUARDS])
def test_a_guard_says_what_is_wrong(scenario_name, values, sentence, how):
    assert chart.refusal(scenario_name, how, values) == [sentence]


def test_all_violations_are_reported_together():
    wrong = chart.refusal("default", "--set", "aws.region=,tls.enabled=true,podDisruptionBudget.maxUnavailable=0")
    assert [sentence.split(" ")[0] for sentence in wrong] == ["aws.region", "tls.existingSecret", "podDisruptionBudget.maxUnavailable"]


def test_an_alert_that_is_not_there_cannot_be_left_out():
    (sentence,) = chart.refusal("default", "--set", "metrics.prometheusRule.disabled={Nonesuch}")
    assert sentence.startswith("metrics.prometheusRule.disabled has Nonesuch, which isn't an alert: the alerts are CodepipelineGatewayDown, ")


@pytest.mark.parametrize("release", ["1st", "a.b"])
def test_a_release_whose_name_no_service_could_have_is_refused(release):
    code, _, errors = chart.attempt("default", release=release)
    assert code != 0
    assert f"the name {release}-codepipeline-gateway isn't valid for a Service, which needs a letter first and has no dot: set fullnameOverride" in errors
    assert chart.render("default", "--set", "fullnameOverride=first", release=release)


def test_every_guard_is_in_the_table():
    """The first words of each sentence of _validate.tpl, as far as they are fixed."""
    text = (chart.HELM / "templates" / "_validate.tpl").read_text(encoding="utf-8")
    guards = [line for line in text.splitlines() if "$wrong = append $wrong" in line]
    told = {sentence for _, _, sentence, *_ in GUARDS}
    # Two have tests of their own, above.
    assert len(guards) == len({guard_of(sentence, guards) for sentence in told}) + 2


def guard_of(sentence, guards):
    """The line of _validate.tpl that says this sentence: its format, with anything in the places of its values."""

    def says(guard):
        text = re.search(r'append \$wrong (?:\(printf )?"((?:[^"\\]|\\.)*)"', guard).group(1).replace('\\"', '"')
        return re.fullmatch(".*".join(re.escape(part) for part in re.split("%[sqd]", text)), sentence)

    (found,) = [guard for guard in guards if says(guard)]
    return found


@pytest.mark.parametrize("values, complaint", SCHEMA)
def test_the_schema_rejects_unknown_names_and_wrong_types(values, complaint):
    refused = chart.refusal("default", "--set", values)
    assert any(complaint in line for line in refused), refused


@pytest.mark.parametrize("values", OPEN)
def test_what_is_sound_is_taken(values):
    assert chart.refusal("default", "--set", values) == []

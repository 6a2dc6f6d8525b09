"""Where the gateway's AWS credentials come from. Access keys in variables are what every other scenario uses.

IAM itself, EKS' webhook and its Pod Identity agent can't be had outside EKS. The first two scenarios play their part:
the variables and tokens that they put into a pod come from extraEnv and extraVolumes, and the gateway asks a stand-in.
"""

import simulator
from cluster import apply, check, equal, eventually, is_ready, kubectl, listed, raw
from pods import container, options, pod

ROLE = "arn:aws:iam::111122223333:role/e2e"
ONE = {"replicaCount": 1}
NO_SECRET = {"existingSecret": {"name": ""}}


def irsa(stage):
    """aws.auth=irsa: the service account carries the role, and the gateway takes the pod's token to STS, a stand-in
    here, which knows the account, the audience and the role."""
    release, caller = stage.release(), stage.caller()
    asks = options(
        subject=f"system:serviceaccount:{stage.where}:{release.full}", audience="sts.amazonaws.com", role=ROLE
    )
    one = container("sts", stage.images.caller, "sts", *asks)
    apply(
        pod("sts", stage.where, one, labels={"app": "sts"}),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "sts", "namespace": stage.where},
            "spec": {"selector": {"app": "sts"}, "ports": [{"port": 8080}]},
        },
    )
    release.install(
        {
            **ONE,
            "aws": {"auth": "irsa", "roleArn": ROLE, **NO_SECRET},
            **token_for(
                "sts.amazonaws.com",
                {
                    "AWS_ROLE_ARN": ROLE,
                    "AWS_ENDPOINT_URL_STS": f"http://sts.{stage.where}.svc:8080",
                    "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/e2e/token",
                },
            ),
        }
    )
    accounts = listed("serviceaccounts", stage.where, release.selector)
    equal([each["metadata"]["annotations"].get("eks.amazonaws.com/role-arn") for each in accounts], [ROLE], "the role")
    caller.acknowledges(release.service, stage.job("irsa"))
    given(stage, "sts", "sts")
    return "the account's token went to a stand-in of STS; call OK with the session's key"


def pod_identity(stage):
    """aws.auth=podIdentity: the gateway takes the pod's token to the agent, a stand-in beside it in the pod here."""
    release, caller = stage.release(), stage.caller()
    asks = options(
        addr="127.0.0.1:8080",
        subject=f"system:serviceaccount:{stage.where}:{release.full}",
        audience="pods.eks.amazonaws.com",
    )
    release.install(
        {
            **ONE,
            "aws": {"auth": "podIdentity", **NO_SECRET},
            **token_for(
                "pods.eks.amazonaws.com",
                {
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:8080/v1/credentials",
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/var/run/e2e/token",
                },
            ),
            "extraContainers": [container("agent", stage.images.caller, "pod-identity", *asks)],
        }
    )
    caller.acknowledges(release.service, stage.job("pod-identity"))
    given(stage, release.pods()[0]["metadata"]["name"], "agent")
    return "the pod's token went to a stand-in of the agent; call OK with the session's key"


def secret_file(stage):
    """aws.auth=secretFile: a profile of a shared credentials file. With a wrong key AWS refuses the gateway; the right
    one in the Secret is taken up without a restart."""
    caller = stage.caller()
    stage.secret("file", {"credentials": profile("fake-and-wrong")})
    release = stage.install(**ONE, aws={"auth": "secretFile", "existingSecret": {"name": "file", "profile": "e2e"}})
    caller.is_refused(release.service, "Internal", "GATEWAY_CREDENTIALS_REJECTED", job=stage.job("wrong-key"))
    stage.secret("file", {"credentials": profile(simulator.SECRET_KEY)})
    name = release.pods()[0]["metadata"]["name"]
    # The kubelet refreshes a pod's Secrets periodically, and immediately when the pod changes.
    kubectl("--namespace", stage.where, "annotate", "pod", name, "e2e/looked-at=now")
    job = stage.job("right-key")
    eventually("the new key is used", lambda: caller.acknowledges(release.service, job))
    equal(([each["metadata"]["name"] for each in release.pods()], release.restarts()), ([name], 0), "pod and restarts")
    return "a wrong key: GATEWAY_CREDENTIALS_REJECTED; the right one from the changed Secret: OK, 0 restarts"


def no_credentials(stage):
    """aws.auth=none: without credentials the pod lives, is not ready and says why, and a call that reaches it all the
    same gets that reason; with keys from extraEnv it serves."""
    caller, release = stage.caller(), stage.release()
    release.install({**ONE, "aws": {"auth": "none", **NO_SECRET}}, wait=False)
    one = eventually("the pod runs", lambda: running(release))
    port = f"/api/v1/namespaces/{stage.where}/pods/{one['metadata']['name']}:9090/proxy"
    eventually("the pod lives", lambda: raw(f"{port}/livez"))
    address = f"passthrough:///{one['status']['podIP']}:50051"
    caller.is_refused(address, "Unavailable", "GATEWAY_CREDENTIALS_UNAVAILABLE", job=stage.job("none"))
    check(not is_ready(release.pods()[0]), "a pod without credentials is ready")
    keys = {"AWS_ACCESS_KEY_ID": simulator.KEY_ID, "AWS_SECRET_ACCESS_KEY": simulator.SECRET_KEY}
    release.upgrade({**ONE, "aws": {"auth": "none", **NO_SECRET}, "extraEnv": environment(keys)})
    caller.acknowledges(release.service, stage.job("extra-env"))
    return "alive, not ready, GATEWAY_CREDENTIALS_UNAVAILABLE; with keys from extraEnv: OK"


def environment(variables):
    """Variables as a container has them."""
    return [{"name": name, "value": value} for name, value in variables.items()]


def token_for(audience, variables):
    """Values that put into the pod what EKS would: a token of its service account, and variables that point at it."""
    token = {"serviceAccountToken": {"audience": audience, "path": "token", "expirationSeconds": 600}}
    return {
        "extraEnv": environment(variables),
        "extraVolumes": [{"name": "e2e", "projected": {"sources": [token], "defaultMode": 0o440}}],
        "extraVolumeMounts": [{"name": "e2e", "mountPath": "/var/run/e2e", "readOnly": True}],
    }


def given(stage, name, inside):
    """The stand-in has given its key away, and has rejected no request."""
    log = kubectl("--namespace", stage.where, "logs", name, "--container", inside)
    check("credentials given" in log and "refused" not in log, f"{name}: {log}")


def profile(secret_key):
    """A shared credentials file with the profile `e2e`."""
    return f"[e2e]\naws_access_key_id = {simulator.KEY_ID}\naws_secret_access_key = {secret_key}\n"


def running(release):
    """Its pod, once its program runs."""
    for each in release.pods():
        if any("running" in status["state"] for status in each["status"].get("containerStatuses", [])):
            return each
    return None

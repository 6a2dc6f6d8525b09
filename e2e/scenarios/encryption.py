"""TLS: certificates of the gateway and of its callers."""

import re

import notes
from certificates import Authority
from cluster import check, equal, eventually, kubectl
from pods import figures


def tls(stage):
    """TLS from a Secret: calls by the Services' names, helm test, the notes' commands; nothing in plaintext."""
    authority = Authority()
    release = stage.release()
    serving_certificate(stage, authority, release)
    printed = release.install({"tls": {"enabled": True, "existingSecret": "serving"}})
    caller = stage.caller(secrets=["serving"])
    for name, target in (("service", release.service), ("headless", release.headless)):
        caller.acknowledges(target, stage.job(name), ca="/serving/ca.crt")
    caller.is_refused(release.service, "Unavailable", "")
    lines = notes.run(printed)
    return f"Service and headless name; plaintext refused; {lines} commands of the notes, helm test among them"


def rotation(stage):
    """A new certificate in the Secret: connections made from then on see it, no pod restarts and no call fails."""
    authority = Authority()
    release = stage.release()
    old = serving_certificate(stage, authority, release)
    # Connections that age fast, so that the load makes new ones all the time.
    release.install({"tls": {"enabled": True, "existingSecret": "serving"}, "gateway": {"maxConnectionAge": "3s"}})
    pods = {each["metadata"]["name"] for each in release.pods()}
    expiries = {expiry(release.metrics(each)) for each in release.pods()}
    with stage.load(release.headless, secrets=["serving"], ca="/serving/ca.crt") as load:
        load.wait_for_calls(200)
        new = serving_certificate(stage, authority, release)
        # The kubelet refreshes a pod's Secrets periodically, and immediately when the pod changes.
        for name in pods:
            kubectl("--namespace", stage.where, "annotate", "pod", name, "e2e/looked-at=now")
        eventually(
            "every pod shows the new certificate's expiry in its metrics",
            lambda: not expiries & {expiry(release.metrics(each)) for each in release.pods()},
        )
        load.wait_for_calls(1000)
    report = load.stop_unfailed()
    equal(set(report["certificates"]), {old, new}, "certificates that the load saw")
    equal({each["metadata"]["name"] for each in release.pods()}, pods, "pods")
    equal(release.restarts(), 0, "restarts")
    seen = report["certificates"]
    return f"{figures(report)}; {seen[old]} calls under the old certificate, {seen[new]} under the new one; 0 restarts"


def mtls(stage):
    """Client certificates: a listed name may call, another one may not, none at all gets no connection; helm test with
    a certificate of its own, and the notes' commands with the listed one."""
    authority, others = Authority(), Authority("others")
    release = stage.release()
    serving_certificate(stage, authority, release)
    stage.secret("callers", {"ca.crt": authority.pem})
    names = {
        "listed": f"URI:spiffe://e2e.example/ns/{stage.where}/sa/listed",
        "stranger": "URI:spiffe://e2e.example/ns/x/sa/y",
    }
    leaves = {name: authority.leaf(uri) for name, uri in names.items()}
    leaves["forged"] = others.leaf(names["listed"])
    for name, (certificate, key, _) in leaves.items():
        stage.secret(name, {"tls.crt": certificate, "tls.key": key})
    printed = release.install(
        {
            "tls": {"enabled": True, "existingSecret": "serving", "clientCa": {"existingSecret": "callers"}},
            "auth": {"mode": "mtls", "allow": [names["listed"].removeprefix("URI:")]},
            "test": {"clientSecret": "stranger"},
        }
    )
    caller = stage.caller(secrets=["serving", *leaves])

    def with_certificate(name):
        return {"ca": "/serving/ca.crt", "cert": f"/{name}/tls.crt", "key": f"/{name}/tls.key"}

    for name, target in (("service", release.service), ("headless", release.headless)):
        caller.acknowledges(target, stage.job(name), **with_certificate("listed"))
    caller.is_refused(release.service, "PermissionDenied", "CALLER_NOT_ALLOWED", **with_certificate("stranger"))
    caller.is_refused(release.service, "Unavailable", "", **with_certificate("forged"))
    caller.is_refused(release.service, "Unavailable", "", ca="/serving/ca.crt")
    lines = notes.run(printed, {"client.crt": leaves["listed"][0], "client.key": leaves["listed"][1]})
    return (
        f"listed name: OK; unlisted: CALLER_NOT_ALLOWED; forged or none: no connection; {lines} commands of the notes"
    )


def serving_certificate(stage, authority, release):
    """A new certificate into the Secret; gives its serial number."""
    certificate, key, serial = authority.server(release.full, stage.where)
    stage.secret("serving", {"tls.crt": certificate, "tls.key": key, "ca.crt": authority.pem})
    return serial


def expiry(metrics):
    """When a pod's certificate expires, as its metrics say."""
    line = re.search(
        r"^codepipeline_gateway_tls_certificate_expiry_timestamp_seconds(?:\{[^}]*\})? (\S+)", metrics, re.MULTILINE
    )
    check(line, "no codepipeline_gateway_tls_certificate_expiry_timestamp_seconds")
    return line[1]

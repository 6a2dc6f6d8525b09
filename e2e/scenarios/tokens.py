"""Callers told apart by their service accounts' tokens."""

import json

import notes
from cluster import apply, equal, raw


def jwt(stage):
    """Real service-account tokens, checked with this cluster's keys: a listed account may call, another one may not; an
    account whose rule names operations may call these only; a token for another audience or none at all is
    refused; the notes' commands make a token and call."""
    for name in ("listed", "poller", "stranger"):
        apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": stage.where}})
    issuer = json.loads(raw("/.well-known/openid-configuration"))["issuer"]
    audience = "codepipeline-gateway"
    release = stage.release()
    printed = release.install(
        {
            "auth": {
                "mode": "jwt",
                "allow": [
                    f"sub:system:serviceaccount:{stage.where}:poller=poll,details",
                    f"sub:system:serviceaccount:{stage.where}:listed",
                ],
                "jwt": {"clusterKeys": True, "issuer": issuer, "audience": audience},
            }
        }
    )
    listed, poller, stranger = (
        stage.caller(name, account=name, audiences=[audience, "another"]) for name in ("listed", "poller", "stranger")
    )
    token, other = f"/tokens/{audience}", "/tokens/another"
    for name, target in (("service", release.service), ("headless", release.headless)):
        listed.acknowledges(target, stage.job(name), token_file=token)
    stranger.is_refused(release.service, "PermissionDenied", "CALLER_NOT_ALLOWED", token_file=token)
    poller.is_refused(release.service, "PermissionDenied", "CALLER_NOT_ALLOWED", token_file=token)
    polled = poller.run("worker", f"--target={release.service}", f"--token-file={token}", "--provider=Nonesuch")
    equal(polled["failure"].get("reason"), "ACTION_TYPE_NOT_FOUND", "the answer to a poll of the account that may poll")
    listed.is_refused(release.service, "Unauthenticated", "CALLER_UNAUTHENTICATED", token_file=other)
    listed.is_refused(release.service, "Unauthenticated", "CALLER_UNAUTHENTICATED")
    lines = notes.run(printed)
    return (
        f"issuer {issuer}; listed account: OK; unlisted, or another operation: CALLER_NOT_ALLOWED; wrong audience or no token: "
        f"CALLER_UNAUTHENTICATED; {lines} commands of the notes"
    )

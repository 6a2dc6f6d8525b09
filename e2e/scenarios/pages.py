"""The commands of docs/ that need a cluster, run as they are printed: blocks `sh cluster NAME`."""

import contextlib
import json
import pathlib
import sys

import simulator
from certificates import Authority
from cluster import check, equal, kubectl, raw
from pods import figures
from terminal import Terminal

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "examples"))
import fences  # noqa: E402 (what a block is, is said in one place)

SERVING = '"status": "SERVING"'
AUDIENCE = "codepipeline-gateway"


def callers_page(stage):
    """docs/callers.md: a forwarded port and the calls over it with the answers that the page shows, a pod of grpcurl's
    image, the same image as an ephemeral container in a namespace that takes restricted pods only, TLS, a client
    certificate, a service account's token."""
    page = fences.blocks(ROOT / "docs" / "callers.md")
    blocks = named(page)
    authority, release = Authority(), stage.release(AUDIENCE)
    certificate, key, _ = authority.leaf(f"DNS:{AUDIENCE}", "URI:spiffe://e2e.example/worker")
    stage.secret("serving", {"tls.crt": certificate, "tls.key": key, "ca.crt": authority.pem})
    terminal = Terminal(stage.where, {"ca.crt": authority.pem, "tls.crt": certificate, "tls.key": key})
    simulator.put_job("example-0", "nonce-1", "token-1")

    release.install({"replicaCount": 1})
    with terminal.forwarding(blocks["port-forward"]):
        over = as_shown(terminal, page)
    with unrestricted(stage.where):
        printed = terminal.run(blocks["pod"])
    check(SERVING in printed, f"the pod printed {printed}")
    check("violates PodSecurity" in terminal.run(blocks["pod"], fails=True), "a restricted namespace took the pod")
    printed = terminal.run(blocks["ephemeral"])
    check(SERVING in printed, f"the ephemeral container printed {printed}")

    tls = {"tls": {"enabled": True, "existingSecret": "serving"}}
    again(release, tls)
    with terminal.forwarding(blocks["port-forward"]):
        check(SERVING in terminal.run(blocks["tls"]), "no health over TLS")

    again(release, {**tls, "auth": worker_tokens(stage)})
    with terminal.forwarding(blocks["port-forward"]):
        listing = terminal.run(blocks["token"])
        check("ThirdPartyJobService" in listing, f"with a token: {listing}")
        refused = terminal.run(blocks["token"].replace("-H 'authorization", "-H 'x-authorization"), fails=True)
        check("Unauthenticated" in refused, f"without a token: {refused}")

    tls["tls"]["clientCa"] = {"existingSecret": "serving"}
    again(release, {**tls, "auth": {"mode": "mtls", "allow": ["spiffe://e2e.example/worker"]}})
    with terminal.forwarding(blocks["port-forward"]):
        listing = terminal.run(blocks["mtls"])
        check("ThirdPartyJobService" in listing, f"with a certificate: {listing}")
        terminal.run(blocks["tls"], fails=True)
    return f"{len(blocks)} blocks for a cluster and {over} over the forwarded port, with the answers that are shown"


def eks_page(stage):
    """docs/eks.md, as far as it can be run without AWS: the installation with a credentials file, which the API server
    takes as it is printed (image and endpoint are the run's own), and the commands that say whether it works, the calls with made-up values among them; then the first look at a release from docs/runbook.md, an
    upgrade, and its rollback, in which no call fails."""
    blocks = named(fences.blocks(ROOT / "docs" / "eks.md"))
    profile = f"[default]\naws_access_key_id = {simulator.KEY_ID}\naws_secret_access_key = {simulator.SECRET_KEY}\n"
    terminal = Terminal(stage.where, {".aws/credentials": profile}, cwd=ROOT)
    release = stage.release()

    def here(name):
        """A block, in this scenario's namespace."""
        return blocks[name].replace("gateways", stage.where)

    kubectl("--namespace", stage.where, "delete", "secret", "aws")
    terminal.run(here("keys"))
    own = {"image": stage.values["image"], "aws": {"endpointUrl": simulator.ENDPOINT}, "resources": {}}
    # Enough for the address of the Service.
    own["gateway"] = {"shutdownDelay": "5s"}
    terminal.run(f"helm upgrade gw helm --reuse-values --wait --timeout 120s --values - <<'E'\n{json.dumps(own)}\nE\n")
    # No pod of the first installation left, whose image can't be had here.
    release.wait_for_ready(2)
    stage.caller().acknowledges(release.service, stage.job("eks"))
    printed = terminal.run(here("works"))
    for sign in ("Phase:          Succeeded", "eu-west-1", simulator.ENDPOINT):
        check(sign in printed, f"no {sign!r} in\n{printed}")
    check(simulator.SECRET_KEY not in printed, "check shows the secret key")
    with terminal.forwarding(here("port-forward")):
        # A person's shell goes on after a call that fails, and each of them fails.
        printed = terminal.run(f"set +e\n{blocks['permission']}", fails=True)
    answers = (printed.count('"ACTION_TYPE_NOT_FOUND"'), printed.count('"JOB_NOT_FOUND"'))
    equal(answers, (1, 4), f"answers to the calls with made-up values: {printed}")
    look = named(fences.blocks(ROOT / "docs" / "runbook.md"))["look"].replace("gateways", stage.where)
    printed = terminal.run(look)
    for sign in ('"reason":"JOB_NOT_FOUND"', "\nready\n", simulator.ENDPOINT):
        check(sign in printed, f"no {sign!r} in\n{printed}")
    with stage.load(release.service) as load:
        terminal.run(f"{here('upgrade').strip()} --set-string podLabels.revision=two\n")
        equal({each["metadata"]["labels"].get("revision") for each in release.ready()}, {"two"}, "the upgraded pods' label")
        printed = terminal.run(here("rollback"))
        release.wait_for_ready(2)
        load.wait_for_calls(50)
    check("Rollback was a success" in printed, f"helm rollback printed {printed}")
    report = figures(load.stop_unfailed())
    return f"{len(blocks) + 1} blocks; upgrade and rollback: {report}; keys from a credentials file: OK; helm test and check say so too"


def named(page):
    """The blocks for a cluster by name."""
    mark = "sh cluster "
    return {each.info.removeprefix(mark): each.text for each in page if each.info.startswith(mark)}


def as_shown(terminal, page):
    """Runs what follows the forwarded port, up to the next block for a cluster, and compares with what is shown; gives
    how many. What is made by a recipe of the repository's first is for `just examples`."""
    at = next(number for number, each in enumerate(page) if each.info == "sh cluster port-forward")
    count, printed = 0, None
    for block in page[at + 1 :]:
        if block.info.startswith("sh cluster"):
            break
        if block.info.startswith("sh"):
            printed = None
            if "target/descriptors" not in block.text:
                printed = terminal.run(block.text, fails=block.info == "sh fails")
                count += 1
        elif printed is not None:
            problem = fences.problem_with(block, printed)
            check(not problem, problem)
    check(count >= 3, f"only {count} blocks follow the forwarded port")
    return count


@contextlib.contextmanager
def unrestricted(where):
    """Lets the namespace take any pod for a while: what `kubectl run` makes isn't restricted."""
    level = "pod-security.kubernetes.io/enforce"
    kubectl("label", "namespace", where, f"{level}=privileged", "--overwrite")
    yield
    kubectl("label", "namespace", where, f"{level}=restricted", "--overwrite")


def again(release, values):
    """The release with other values, and no pod of the old ones left."""
    release.upgrade({"replicaCount": 1, **values})
    release.wait_for_ready(1)


def worker_tokens(stage):
    """Only the service account `worker` may call."""
    kubectl("--namespace", stage.where, "create", "serviceaccount", "worker")
    return {
        "mode": "jwt",
        "allow": [f"sub:system:serviceaccount:{stage.where}:worker"],
        "jwt": {
            "clusterKeys": True,
            "issuer": json.loads(raw("/.well-known/openid-configuration"))["issuer"],
            "audience": AUDIENCE,
        },
    }

"""The notes that helm prints after an installation."""

import json
import re

import chart
from chart import render


def test_notes_name_what_is_there(scenario):
    rendered = render(scenario)
    names = {found["metadata"]["name"] for found in rendered.of("Service")}
    for name in re.findall(r"service/(\S+)", rendered.notes) + re.findall(r"dns:///([^.]+)\.", rendered.notes):
        assert name in names
    assert ("helm test" in rendered.notes and "There is no helm test" not in rendered.notes) == bool(rendered.of("Pod"))
    open_to_all = "auth.mode=none" in rendered.notes and not rendered.of("NetworkPolicy")
    assert ("ANY CLIENT IN THIS CLUSTER" in rendered.notes) == open_to_all
    # Reflection needs what calls need, and grpcurl reflection, unless it has the file.
    tokens = {"Bearer $TOKEN" in line for line in rendered.notes.splitlines() if line.startswith("  grpcurl")}
    assert tokens == {"(auth.mode=jwt)" in rendered.notes}
    env = {entry["name"]: entry.get("value") for entry in rendered.gateway()["env"]}
    assert ("-proto" in rendered.notes) == (env["GATEWAY_REFLECTION"] == "false") != ("Health/Check" in rendered.notes)
    for line in rendered.notes.splitlines():
        assert line == line.rstrip()


def test_notes_say_who_reaches_the_port(scenario):
    """Each way in that the rendered objects open is in the notes, authenticated or not."""
    rendered = render(scenario)
    (kind,) = {found["spec"]["type"] for found in rendered.of("Service") if found["spec"].get("clusterIP") != "None"}
    open_to_all = "auth.mode=none" in rendered.notes and not rendered.of("NetworkPolicy")
    for sort, loud in ("LoadBalancer", "THE LOAD BALANCER"), ("NodePort", "A NODE"):
        assert (f"(service.type={sort})" in rendered.notes) == (kind == sort)
        assert (f"AND ANY CLIENT THAT REACHES {loud}" in rendered.notes) == (kind == sort and open_to_all)
    routes = rendered.of("GRPCRoute")
    assert ("The GRPCRoute accepts calls" in rendered.notes) == bool(routes)
    assert ("REACHES THE GATEWAY OF THE GRPCROUTE" in rendered.notes) == (bool(routes) and open_to_all)
    for route in routes:
        for parent in route["spec"]["parentRefs"]:
            assert parent["name"] in rendered.notes


def test_every_kind_of_service_has_a_scenario():
    kinds = {found["spec"]["type"] for name in chart.SCENARIOS for found in render(name).of("Service")}
    assert kinds == {"ClusterIP", "NodePort", "LoadBalancer"}
    assert "ANY CLIENT ON THE INTERNET" in render("load-balancer").notes
    internal = "service.annotations.service\\.beta\\.kubernetes\\.io/aws-load-balancer-scheme=internal"
    assert "THE INTERNET" not in render("load-balancer", "--set", internal).notes


def iam_actions():
    """The IAM action of each operation, from the table in src/methods.rs."""
    table = (chart.ROOT / "src" / "methods.rs").read_text(encoding="utf-8")
    found = re.findall(r'iam_action: "(codepipeline:\w+)",\s+short_name: "(\w+)"', table)
    assert len(found) == 5
    return {short_name: action for action, short_name in found}


def test_the_policy_in_the_notes_fits_the_operations(scenario):
    rendered = render(scenario)
    policy = json.loads(re.search(r"^  \{\n.*?^  \}$", rendered.notes, re.MULTILINE | re.DOTALL).group())
    (statement,) = policy["Statement"]
    env = {entry["name"]: entry.get("value") for entry in rendered.gateway()["env"]}
    offered = [iam_actions()[name] for name in env["GATEWAY_OPERATIONS"].split(",")]
    assert sorted(statement["Action"]) == sorted(offered)
    assert (statement["Effect"], statement["Resource"]) == ("Allow", "*")
    (called,) = re.findall(r"ThirdPartyJobService/(\w+)", rendered.notes)
    assert f"codepipeline:{called}" in offered


def test_the_notes_take_a_token_of_an_account_that_can_make_the_call():
    accounts = "auth.allow={sub:system:serviceaccount:a:first=poll\\,details,sub:system:serviceaccount:a:second}"
    notes = render("jwt-cluster", "--set", accounts).notes
    assert "kubectl -n a create token second " in notes
    notes = render("jwt-cluster", "--set", f"gateway.operations={{details,poll}},{accounts}").notes
    assert "kubectl -n a create token first " in notes and "ThirdPartyJobService/GetThirdPartyJobDetails" in notes
    notes = render("jwt-cluster", "--set", accounts.replace(",sub:system:serviceaccount:a:second", "")).notes
    assert "create token" not in notes and "# TOKEN: a token for the audience" in notes


def test_the_notes_warn_of_an_endpoint_that_aws_does_not_list():
    on = "aws.useDualstack=true"
    assert "no dual-stack endpoint for CodePipeline" in render("default", "--set", on).notes
    assert "dual-stack" not in render("default").notes + render("default", "--set", f"{on},aws.endpointUrl=https://vpce.example").notes

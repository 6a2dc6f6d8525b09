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
    assert ("helm test" in rendered.notes and "There is no" not in rendered.notes) == bool(rendered.of("Pod"))
    open_to_all = "auth.mode=none" in rendered.notes and not rendered.of("NetworkPolicy")
    assert ("ANYONE IN THIS CLUSTER" in rendered.notes) == open_to_all
    # Reflection needs what calls need, and grpcurl reflection, unless it has the file.
    tokens = {"Bearer $TOKEN" in line for line in rendered.notes.splitlines() if line.startswith("  grpcurl")}
    assert tokens == {"(auth.mode=jwt)" in rendered.notes}
    env = {entry["name"]: entry.get("value") for entry in rendered.gateway()["env"]}
    assert ("-proto" in rendered.notes) == (env["GATEWAY_REFLECTION"] == "false") != ("Health/Check" in rendered.notes)
    for line in rendered.notes.splitlines():
        assert line == line.rstrip()


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

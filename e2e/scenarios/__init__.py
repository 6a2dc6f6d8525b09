"""The scenarios by name, in the order in which they begin: the long ones first, so that several at a time end together.
Each is one function; its docstring says what it shows."""

from . import (
    autoscaling,
    credentials,
    encryption,
    installing,
    network,
    operators,
    pages,
    rollouts,
    tokens,
    workers,
)

SCENARIOS = {
    function.__name__.replace("_", "-"): function
    for function in (
        installing.install,
        autoscaling.autoscaling,
        rollouts.upgrade,
        rollouts.sidecar,
        rollouts.two_releases,
        rollouts.scale,
        rollouts.drain,
        rollouts.kill,
        rollouts.bad_configuration,
        encryption.rotation,
        encryption.tls,
        encryption.mtls,
        tokens.jwt,
        network.network_policy,
        workers.worker,
        pages.callers_page,
        pages.eks_page,
        operators.operators,
        credentials.irsa,
        credentials.pod_identity,
        credentials.secret_file,
        credentials.no_credentials,
    )
}

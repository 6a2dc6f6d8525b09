"""The scenarios by name, in the order in which they run. Each is one function; its docstring says what it shows."""

from . import (
    autoscaling,
    credentials,
    encryption,
    installing,
    network,
    rollouts,
    tokens,
)

SCENARIOS = {
    function.__name__.replace("_", "-"): function
    for function in (
        installing.install,
        credentials.irsa,
        credentials.pod_identity,
        credentials.secret_file,
        credentials.no_credentials,
        encryption.tls,
        encryption.mtls,
        tokens.jwt,
        rollouts.upgrade,
        rollouts.scale,
        rollouts.drain,
        rollouts.kill,
        rollouts.bad_configuration,
        encryption.rotation,
        autoscaling.autoscaling,
        network.network_policy,
    )
}

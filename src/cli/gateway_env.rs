//! Finds `GATEWAY_…` variables that the gateway doesn't have, such as misspelled ones.

use std::env;

use clap::{Arg, Args, Command};

/// The prefix of the gateway's own variables.
const PREFIX: &str = "GATEWAY_";
/// The least similarity of a name that is suggested. clap has the same one for flags.
const SIMILAR: f64 = 0.7;

/// A warning for each variable that looks like one of the gateway's and isn't. `A` has all flags
/// with variables.
pub(super) fn unknown_variables<A: Args>() -> impl Iterator<Item = String> {
    let serve = A::augment_args(Command::new("serve"));
    let known: Vec<String> =
        serve.get_arguments().filter_map(Arg::get_env).map(|name| name.to_string_lossy().into()).collect();
    let mut set: Vec<(String, String)> = env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, value)| name.starts_with(PREFIX) && !is_of_kubernetes(name, value))
        .collect();
    // The environment has no order.
    set.sort();
    let unknown: Vec<String> =
        set.into_iter().map(|(name, _)| name).filter(|name| !known.contains(name)).collect();
    unknown.into_iter().map(move |name| match nearest(&name, &known) {
        Some(near) => format!("{name} is ignored: it isn't a variable of the gateway; did you mean {near}?"),
        None => format!("{name} is ignored: it isn't a variable of the gateway; see serve --help"),
    })
}

fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    // Without the common prefix, which would make all names similar.
    let bare = |name: &str| name.trim_start_matches(PREFIX).to_owned();
    let similarity = |other: &str| strsim::jaro(&bare(name), &bare(other));
    let best = known.iter().max_by(|one, other| similarity(one).total_cmp(&similarity(other)))?;
    (similarity(best) > SIMILAR).then_some(best)
}

/// Whether Kubernetes sets the variable in each pod of a namespace with a Service `gateway` or
/// `gateway-…` (Kubernetes, "Accessing the Service", environment variables).
fn is_of_kubernetes(name: &str, value: &str) -> bool {
    let protocols = ["_TCP", "_UDP", "_SCTP"];
    // GATEWAY_PORT_50051_TCP, and the same with _PROTO, _PORT, or _ADDR.
    let port =
        ["_PROTO", "_PORT", "_ADDR"].into_iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        // GATEWAY_PORT=tcp://10.0.0.1:50051
        || (name.ends_with("_PORT") && value.contains("://"))
        || (port.contains("_PORT_") && protocols.iter().any(|protocol| port.ends_with(protocol)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_kubernetes_are_known_by_their_form() {
        for (name, value) in [
            ("GATEWAY_PORT", "tcp://10.0.0.1:50051"),
            ("GATEWAY_SERVICE_HOST", "10.0.0.1"),
            ("GATEWAY_SERVICE_PORT", "50051"),
            ("GATEWAY_SERVICE_PORT_GRPC", "50051"),
            ("GATEWAY_PORT_50051_TCP", "tcp://10.0.0.1:50051"),
            ("GATEWAY_PORT_50051_TCP_PROTO", "tcp"),
            ("GATEWAY_PORT_50051_TCP_PORT", "50051"),
            ("GATEWAY_PORT_50051_TCP_ADDR", "10.0.0.1"),
            ("GATEWAY_BLUE_SERVICE_HOST", "10.0.0.1"),
        ] {
            assert!(is_of_kubernetes(name, value), "{name}");
        }
        for (name, value) in
            [("GATEWAY_PORT", "50051"), ("GATEWAY_GRPC_PORT", "50051"), ("GATEWAY_MAX_INFLIGHT", "1")]
        {
            assert!(!is_of_kubernetes(name, value), "{name}");
        }
    }

    #[test]
    fn the_nearest_name_is_suggested_if_it_is_near() {
        let known = ["GATEWAY_MAX_IN_FLIGHT", "GATEWAY_MAX_DEADLINE", "GATEWAY_TLS_CERT"].map(String::from);
        assert_eq!(nearest("GATEWAY_MAX_INFLIGHT", &known), Some("GATEWAY_MAX_IN_FLIGHT"));
        assert_eq!(nearest("GATEWAY_TLS_CRT", &known), Some("GATEWAY_TLS_CERT"));
        assert_eq!(nearest("GATEWAY_BIN", &known), None);
    }
}

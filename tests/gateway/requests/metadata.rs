//! Request metadata: the deadline and the request ID.

use tonic::Code;

use super::{assert_invalid, failed_call, valid};
use crate::harness::{ACKNOWLEDGE, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_or_too_short_timeout_sends_nothing() {
    let world = World::start().await;
    for timeout in ["soon", "1s", "123456789S", "-1S", "", "5"] {
        assert_invalid(
            &failed_call(&world, ACKNOWLEDGE, &[("grpc-timeout", timeout)], valid()).await,
            timeout,
        );
    }
    for timeout in ["0S", "5m", "20m"] {
        let answer = failed_call(&world, ACKNOWLEDGE, &[("grpc-timeout", timeout)], valid()).await;
        assert_eq!(
            (answer.code(), answer.outcome().as_str()),
            (Code::DeadlineExceeded, "not_sent"),
            "{timeout}"
        );
        assert_eq!(answer.attempts(), 0, "{timeout}");
    }
    assert!(world.simulator.requests().is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_usable_request_id_of_the_caller_is_returned() {
    let world = World::start().await;
    for (given, usable) in [
        ("worker-7/build:42.1_x", true),
        (&"a".repeat(128), true),
        (&"a".repeat(129), false),
        ("a b", false),
        ("a\"b", false),
        ("", false),
    ] {
        for path in [ACKNOWLEDGE, "/no.Such/Method"] {
            let answer = failed_call(&world, path, &[("x-request-id", given)], valid()).await;
            let id = answer.header("x-request-id").unwrap().to_owned();
            assert_eq!(id == given, usable, "{given:?} came back as {id:?}");
            assert_eq!(answer.details().request_info().unwrap().request_id, id);
        }
    }
    world.stop().await;
}

//! The gateway reads every response of AWS, or of a server that poses as AWS, without a panic. The
//! result keeps the promises that a call that isn't idempotent needs.
//!
//! An input is two bytes of HTTP status, lines of `name: value` up to an empty one, and the body.

#![no_main]

use std::time::Duration;

use codepipeline_gateway::codepipeline::meaning_of_error;
use codepipeline_gateway::error::{Failure, Outcome};
use codepipeline_gateway::methods::ACKNOWLEDGE;
use codepipeline_gateway::operations::Acknowledge;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((status, rest)) = input.split_first_chunk::<2>() else { return };
    let status = u16::from_be_bytes(*status);
    let (headers, body) = split_headers(rest);
    let header = |wanted: &str| {
        let mut named = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        named.next().map(|(_, value)| *value)
    };
    let failure = meaning_of_error::<Acknowledge>(status, header, body);
    check(&failure, status);
    // The same answer means the same.
    assert_eq!(failure, meaning_of_error::<Acknowledge>(status, header, body));
});

fn split_headers(input: &[u8]) -> (Vec<(&str, &str)>, &[u8]) {
    let end = input.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((&input[..0], input), |end| (&input[..end], &input[end + 2..]));
    let head = std::str::from_utf8(head).unwrap_or_default();
    (head.lines().filter_map(|line| line.split_once(": ")).collect(), body)
}

fn check(failure: &Failure, status: u16) {
    let Failure { reason, outcome, aws, retry_after, violations, .. } = failure;
    assert_ne!(*outcome, Outcome::NotSent, "AWS answered: it was sent");
    if *outcome == Outcome::Unknown {
        // By name, because tonic is no dependency of this crate.
        let code = format!("{:?}", failure.code());
        assert!(
            !["Unavailable", "ResourceExhausted"].contains(&code.as_str()),
            "a mesh would repeat {failure:?}"
        );
        assert!(!reason.has_retry_info(), "it tells to repeat what may have happened: {failure:?}");
    }
    // The message is the table's own sentence: not one byte of it came from the answer.
    assert_eq!(failure.message(&ACKNOWLEDGE), reason.message(*outcome, &ACKNOWLEDGE));
    for violation in violations {
        assert!(["job_id", "nonce", "client_token"].contains(&violation.field), "{violation:?}");
        assert_eq!(violation.description, "was refused by AWS");
    }
    for plain in [&aws.error_code, &aws.request_id].into_iter().flatten() {
        assert!(plain.is_ascii() && (1..129).contains(&plain.len()), "{plain:?}");
        assert!(plain.bytes().all(|byte| byte.is_ascii_graphic()), "{plain:?}");
    }
    assert_eq!(aws.http_status, Some(status));
    assert!(
        retry_after.is_none_or(|hint| !hint.is_zero() && hint <= Duration::from_secs(3600)),
        "{retry_after:?}"
    );
}

//! The gateway reads every error response of AWS, or of a server in its place, without a panic.
//! The result keeps the promises of each operation.
//!
//! An input is two bytes of HTTP status, lines of `name: value` up to an empty one, and the body.

#![no_main]

use std::time::Duration;

use codepipeline_gateway::codepipeline::{AwsOperation, meaning_of_error};
use codepipeline_gateway::error::{Failure as CallFailure, Outcome};
use codepipeline_gateway::methods::Idempotency;
use codepipeline_gateway::operations::{Acknowledge, Details, Failure, Poll, Success};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((status, rest)) = input.split_first_chunk::<2>() else { return };
    let status = u16::from_be_bytes(*status);
    let (headers, body) = split_headers(rest);
    check::<Poll>(status, &headers, body);
    check::<Details>(status, &headers, body);
    check::<Acknowledge>(status, &headers, body);
    check::<Success>(status, &headers, body);
    check::<Failure>(status, &headers, body);
});

fn split_headers(input: &[u8]) -> (Vec<(&str, &str)>, &[u8]) {
    let end = input.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((&input[..0], input), |end| (&input[..end], &input[end + 2..]));
    let head = std::str::from_utf8(head).unwrap_or_default();
    (head.lines().filter_map(|line| line.split_once(": ")).collect(), body)
}

fn check<O: AwsOperation>(status: u16, headers: &[(&str, &str)], body: &[u8]) {
    let header = |wanted: &str| {
        let mut named = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        named.next().map(|(_, value)| *value)
    };
    let failure = meaning_of_error::<O>(status, header, body);
    // The same response means the same.
    assert_eq!(failure, meaning_of_error::<O>(status, header, body));
    assert_eq!(failure.aws.http_status, Some(status));
    check_promises::<O>(&failure);
    check_texts::<O>(&failure);
}

fn check_promises<O: AwsOperation>(failure: &CallFailure) {
    let CallFailure { reason, outcome, retry_after, .. } = failure;
    assert_ne!(*outcome, Outcome::NotSent, "AWS responded, so the request was sent");
    // By name, because tonic isn't a dependency of this crate.
    let code = format!("{:?}", failure.code(O::METHOD));
    let invites_retry =
        ["Unavailable", "ResourceExhausted"].contains(&code.as_str()) || reason.has_retry_info(O::METHOD);
    let harmful = *outcome == Outcome::Unknown && O::METHOD.idempotency == Idempotency::None;
    assert!(
        !(harmful && invites_retry),
        "a mesh would retry a call that might have had its effect: {failure:?}"
    );
    assert!(
        retry_after.is_none_or(|hint| !hint.is_zero() && hint <= Duration::from_secs(3600)),
        "{retry_after:?}"
    );
}

fn check_texts<O: AwsOperation>(failure: &CallFailure) {
    let CallFailure { reason, outcome, aws, violations, .. } = failure;
    for violation in violations {
        let known = O::FIELDS.iter().any(|(_, field)| *field == violation.field);
        assert!(known && violation.description == "was rejected by AWS", "{violation:?}");
    }
    // The message is the table's own: no byte of it came from the response.
    if violations.is_empty() {
        assert_eq!(failure.message(O::METHOD), reason.message(*outcome, O::METHOD));
    }
    for plain in [&aws.error_code, &aws.request_id].into_iter().flatten() {
        assert!(plain.is_ascii() && (1..129).contains(&plain.len()), "{plain:?}");
        assert!(plain.bytes().all(|byte| byte.is_ascii_graphic()), "{plain:?}");
    }
}

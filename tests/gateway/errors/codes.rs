//! Every error code of AWS, in every shape that AWS sends it in.

use std::collections::BTreeMap;

use codepipeline_gateway::codepipeline::error_codes;
use codepipeline_simulator::{ErrorFault, Fault, MessageKey, OperationName, Shape};
use tonic::Code::{
    FailedPrecondition, Internal, InvalidArgument, NotFound, PermissionDenied, ResourceExhausted,
    Unavailable, Unknown,
};

use super::{Expected, Row, check_rows, expect};
use crate::harness::{NONCE, TOKEN};

const THROTTLED: Expected = expect(ResourceExhausted, "AWS_THROTTLED", "rejected").after(3).retry();
const REJECTED: Expected = expect(Internal, "GATEWAY_CREDENTIALS_REJECTED", "rejected");

/// Every error code, by the error that its caller gets.
const CODES: [(Expected, &[&str]); 16] = [
    (expect(InvalidArgument, "VALIDATION_FAILED", "rejected"), &["ValidationException", "ValidationError"]),
    (expect(NotFound, "JOB_NOT_FOUND", "rejected"), &["JobNotFoundException"]),
    (expect(FailedPrecondition, "INVALID_NONCE", "rejected"), &["InvalidNonceException"]),
    (expect(PermissionDenied, "INVALID_CLIENT_TOKEN", "rejected"), &["InvalidClientTokenException"]),
    (expect(NotFound, "ACTION_TYPE_NOT_FOUND", "rejected"), &["ActionTypeNotFoundException"]),
    (expect(NotFound, "INVALID_JOB", "rejected"), &["InvalidJobException"]),
    (expect(FailedPrecondition, "INVALID_JOB_STATE", "rejected"), &["InvalidJobStateException"]),
    (
        THROTTLED,
        &[
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "RequestThrottledException",
            "TooManyRequestsException",
            "ProvisionedThroughputExceededException",
            "TransactionInProgressException",
            "RequestLimitExceeded",
            "BandwidthLimitExceeded",
            "LimitExceededException",
            "RequestThrottled",
            "SlowDown",
            "PriorRequestNotComplete",
            "EC2ThrottledException",
        ],
    ),
    (
        expect(Unknown, "AWS_UNAVAILABLE", "unknown"),
        &[
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "InternalFailure",
            "InternalFailureException",
            "InternalError",
            "InternalServerError",
            "InternalServerException",
            "InternalServiceError",
        ],
    ),
    (
        expect(Unknown, "AWS_REQUEST_TIMEOUT", "unknown"),
        &["RequestTimeout", "RequestTimeoutException", "RequestAbortedException"],
    ),
    (
        expect(Internal, "GATEWAY_ACCESS_DENIED", "rejected"),
        &["AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation", "OptInRequired"],
    ),
    (
        expect(Unavailable, "GATEWAY_CREDENTIALS_EXPIRED", "rejected").retry(),
        &["ExpiredToken", "ExpiredTokenException", "RequestExpired"],
    ),
    (expect(Unavailable, "GATEWAY_CLOCK_SKEW", "rejected").after(2).retry(), &["RequestTimeTooSkewed"]),
    (
        REJECTED,
        &[
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "InvalidAccessKeyId",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "SignatureDoesNotMatch",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidSignatureException",
        ],
    ),
    (
        expect(Internal, "GATEWAY_BUG", "rejected"),
        &[
            "SerializationException",
            "UnknownOperation",
            "UnknownOperationException",
            "MalformedHttpRequest",
            "MalformedHttpRequestException",
            "RequestEntityTooLarge",
            "RequestEntityTooLargeException",
        ],
    ),
    // Codes that no table has, although one of them resembles a known code.
    (
        expect(Unknown, "AWS_UNRECOGNIZED_ERROR", "rejected"),
        &["ConcurrentModificationException", "Throttling2"],
    ),
];

fn codes() -> impl Iterator<Item = (&'static str, Expected)> {
    CODES.into_iter().flat_map(|(expected, codes)| codes.iter().map(move |code| (*code, expected)))
}

#[test]
fn the_table_has_exactly_the_codes_of_the_gateway() {
    let known: BTreeMap<_, _> = error_codes().map(|(code, reason)| (code, reason.name())).collect();
    let recognized = codes().filter(|(_, expected)| expected.reason != "AWS_UNRECOGNIZED_ERROR");
    let tested: BTreeMap<_, _> = recognized.map(|(code, expected)| (code, expected.reason)).collect();
    assert_eq!(tested, known);
}

const SHAPES: [Shape; 5] = [Shape::Type, Shape::TypeNamespace, Shape::TypeUri, Shape::Header, Shape::Code];
const KEYS: [MessageKey; 2] = [MessageKey::Lower, MessageKey::Upper];

#[tokio::test(flavor = "multi_thread")]
async fn every_aws_code_in_every_wire_shape_has_its_row() {
    let mut rows = Vec::new();
    for operation in OperationName::ALL {
        // The two spellings of the message alternate, except for the operation whose log has the
        // message.
        let all = operation == OperationName::AcknowledgeThirdPartyJob;
        for (number, (code, expected)) in codes().enumerate() {
            for (shift, shape) in SHAPES.into_iter().enumerate() {
                let keys = if all { &KEYS[..] } else { &KEYS[(number + shift) % 2..][..1] };
                rows.extend(keys.iter().map(|key| row(operation, code, shape, *key, expected)));
            }
        }
    }
    assert_eq!(rows.len(), 60 * 5 * (OperationName::ALL.len() + 1));
    check_rows(&rows).await;
}

fn row(
    operation: OperationName,
    code: &str,
    shape: Shape,
    message_key: MessageKey,
    expected: Expected,
) -> Row {
    let message = Some(format!("AWS reports {NONCE} and {TOKEN} of arn:aws:iam::123456789012:role/x"));
    Row {
        operation,
        what: format!("{code} as {shape:?} with {message_key:?}"),
        fault: Fault::Error(ErrorFault { shape, message_key, message, ..ErrorFault::new(code) }),
        aws_code: Some(code.to_owned()),
        expected: expected.of(operation),
    }
}

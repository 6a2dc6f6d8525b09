//! Every error code of AWS, in every shape that AWS sends it in.

use std::collections::BTreeMap;

use codepipeline_gateway::codepipeline::error_codes;
use codepipeline_simulator::{ErrorFault, Fault, MessageKey, Shape};
use futures_util::{StreamExt, stream};
use tonic::Code::{
    FailedPrecondition, Internal, InvalidArgument, NotFound, PermissionDenied, ResourceExhausted,
    Unavailable, Unknown,
};

use super::{Expected, expect};
use crate::harness::{NONCE, TOKEN, World};

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

#[tokio::test(flavor = "multi_thread")]
async fn every_aws_code_in_every_wire_shape_has_its_row() {
    let world = World::start().await;
    let mut rows = Vec::new();
    for (code, expected) in codes() {
        for shape in [Shape::Type, Shape::TypeNamespace, Shape::TypeUri, Shape::Header, Shape::Code] {
            for message_key in [MessageKey::Lower, MessageKey::Upper] {
                let job = format!("job-{}", rows.len());
                let fault = ErrorFault { shape, message_key, ..ErrorFault::new(code) };
                rows.push(check_code(&world, job, fault, expected));
            }
        }
    }
    assert_eq!(rows.len(), 60 * 5 * 2);
    // A few in parallel, because the throttled calls spend their time in backoff.
    stream::iter(rows).buffer_unordered(16).collect::<()>().await;
    world.stop().await;
}

async fn check_code(world: &World, job: String, fault: ErrorFault, expected: Expected) {
    let what = format!("{} as {:?} with {:?}", fault.code, fault.shape, fault.message_key);
    let code = fault.code.clone();
    let message = Some(format!("AWS reports {NONCE} and {TOKEN} of arn:aws:iam::123456789012:role/x"));
    let fault = ErrorFault { message, ..fault };
    world.add(&job);
    (0..3).for_each(|_| world.simulator.fault_job(&job, Fault::Error(fault.clone())));
    let answer = world.acknowledge(&job).await;
    expected.check(&answer, &what);
    let info = answer.info();
    assert_eq!(info["awsErrorCode"], code, "{what}");
    assert_eq!(info["httpStatus"], "400", "{what}");
    assert_eq!(answer.header("x-amzn-requestid"), Some(info["awsRequestId"].as_str()), "{what}");
    assert_eq!(world.requests_for(&job), expected.attempts as usize, "{what}: requests at AWS");
}

//! The table of reasons: the name of each failure, its gRPC code, and the message that a caller
//! gets.
//!
//! `docs/errors.md` is generated from it, and the table test goes through it row by row.

use tonic::Code;

use super::outcome::Outcome::{NotSent, Rejected, Unknown};
use super::outcome::Outcomes::{self, Always, Observed};
use crate::methods::Method;
use crate::methods::groups::{ACKNOWLEDGEMENT, ANY, NONE, OF_A_JOB, POLLS, READS, RESULTS, WITH_ACTION_TYPE};

/// The columns of a reason.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) code: Code,
    pub(super) outcomes: Outcomes,
    /// Whether the error says how long to wait, because waiting helps.
    pub(super) retry_info: bool,
    /// The operations whose calls can have it; none for errors of other methods.
    pub(super) methods: &'static [&'static Method],
    pub(super) message: &'static str,
    pub(super) meaning: &'static str,
}

macro_rules! reasons {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident {
            name: $name:literal,
            code: $code:ident,
            outcomes: $outcomes:expr,
            retry_info: $retry_info:literal,
            methods: $methods:expr,
            message: $message:literal,
        }
    )+) => {
        /// Why a call failed: `ErrorInfo.reason`. A stable name that callers match on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $( $(#[doc = $doc])+ $variant, )+ }

        impl Reason {
            /// Every reason, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            pub(super) const fn row(self) -> Row {
                match self { $( Self::$variant => Row {
                    name: $name,
                    code: Code::$code,
                    outcomes: $outcomes,
                    retry_info: $retry_info,
                    methods: $methods,
                    message: $message,
                    meaning: concat!($($doc),+),
                }, )+ }
            }
        }
    };
}

// The doc comment of a row says what happened, and is also the text of docs/errors.md. In a
// message, `{unknown}` and `{iam_action}` come from the method's row, and `{outcome}` is the
// sentence of the observed outcome.
reasons! {
    /// A field is empty or too long, the message is over 64 KiB, malformed, compressed, or not
    /// UTF-8, or `grpc-timeout` is malformed.
    InvalidRequest {
        name: "INVALID_REQUEST", code: InvalidArgument,
        outcomes: Always(NotSent), retry_info: false, methods: ANY,
        message: "The gateway can't parse the request. Nothing was sent. Compare the request with the \
            proto file.",
    }
    /// The service or method doesn't exist.
    UnknownMethod {
        name: "UNKNOWN_METHOD", code: Unimplemented,
        outcomes: Always(NotSent), retry_info: false, methods: NONE,
        message: "This service or method doesn't exist. Nothing was sent. Compare your proto file with \
            the gateway's version.",
    }
    /// grpc.health.v1 was asked about a service that the gateway doesn't have.
    UnknownService {
        name: "UNKNOWN_SERVICE", code: NotFound,
        outcomes: Always(NotSent), retry_info: false, methods: NONE,
        message: "The gateway has no health status for this service. Use an empty name or \
            codepipeline.thirdparty.v1.ThirdPartyJobService.",
    }
    /// AWS rejected a value: ValidationException, ValidationError.
    ValidationFailed {
        name: "VALIDATION_FAILED", code: InvalidArgument,
        outcomes: Always(Rejected), retry_info: false, methods: ANY,
        message: "AWS rejected a value but didn't name the field. Nothing changed. Check every field.",
    }
    /// JobNotFoundException.
    JobNotFound {
        name: "JOB_NOT_FOUND", code: NotFound,
        outcomes: Always(Rejected), retry_info: false,
        methods: OF_A_JOB,
        message: "AWS found no job with this ID. Nothing changed. Check the job ID and the gateway's \
            region.",
    }
    /// InvalidNonceException.
    InvalidNonce {
        name: "INVALID_NONCE", code: FailedPrecondition,
        outcomes: Always(Rejected), retry_info: false, methods: ACKNOWLEDGEMENT,
        message: "AWS rejected the nonce. Nothing changed. The job was probably acknowledged before. If \
            your earlier call had an unknown outcome, the job is probably yours; otherwise, drop it.",
    }
    /// InvalidClientTokenException.
    InvalidClientToken {
        name: "INVALID_CLIENT_TOKEN", code: PermissionDenied,
        outcomes: Always(Rejected), retry_info: false,
        methods: OF_A_JOB,
        message: "AWS rejected the client token. Nothing changed. Use the token that belongs to the job's \
            client ID.",
    }
    /// ActionTypeNotFoundException.
    ActionTypeNotFound {
        name: "ACTION_TYPE_NOT_FOUND", code: NotFound,
        outcomes: Always(Rejected), retry_info: false, methods: POLLS,
        message: "AWS found no such action type. Nothing changed. Check its four parts and the gateway's \
            region.",
    }
    /// InvalidJobException.
    InvalidJob {
        name: "INVALID_JOB", code: NotFound,
        outcomes: Always(Rejected), retry_info: false, methods: READS,
        message: "The job can't be read in its state. Nothing changed. Drop the job.",
    }
    /// InvalidJobStateException.
    InvalidJobState {
        name: "INVALID_JOB_STATE", code: FailedPrecondition,
        outcomes: Always(Rejected), retry_info: false, methods: RESULTS,
        message: "The job isn't in progress. Nothing changed. It has ended, or it wasn't acknowledged. If \
            your earlier call had an unknown outcome, that call probably ended the job.",
    }
    /// AWS throttled the gateway: the SDK's throttling codes, or HTTP 429.
    AwsThrottled {
        name: "AWS_THROTTLED", code: ResourceExhausted,
        outcomes: Always(Rejected), retry_info: true, methods: ANY,
        message: "AWS throttled the request. Nothing changed. Retry after the RetryInfo delay.",
    }
    /// HTTP 5xx, ServiceUnavailable, InternalFailure, InternalError, and the other names that AWS
    /// services give these.
    AwsUnavailable {
        name: "AWS_UNAVAILABLE", code: Unknown,
        outcomes: Always(Unknown), retry_info: false, methods: ANY,
        message: "AWS returned a server error. {unknown}",
    }
    /// RequestTimeout, RequestTimeoutException, RequestAbortedException, HTTP 408.
    AwsRequestTimeout {
        name: "AWS_REQUEST_TIMEOUT", code: Unknown,
        outcomes: Always(Unknown), retry_info: false, methods: ANY,
        message: "AWS reported a request timeout. {unknown}",
    }
    /// AWS denies the gateway's role: AccessDenied, AccessDeniedException, NotAuthorized,
    /// UnauthorizedOperation, OptInRequired.
    GatewayAccessDenied {
        name: "GATEWAY_ACCESS_DENIED", code: Internal,
        outcomes: Always(Rejected), retry_info: false, methods: ANY,
        message: "AWS denied the gateway's role. Nothing changed. The gateway's operator must allow \
            {iam_action}.",
    }
    /// The gateway's credentials had expired: ExpiredToken, ExpiredTokenException, RequestExpired.
    GatewayCredentialsExpired {
        name: "GATEWAY_CREDENTIALS_EXPIRED", code: Unavailable,
        outcomes: Always(Rejected), retry_info: true, methods: ANY,
        message: "The gateway's AWS credentials expired. Nothing changed. Retry after the RetryInfo \
            delay.",
    }
    /// The gateway's clock is wrong, even after a correction by AWS's last response:
    /// RequestTimeTooSkewed, or InvalidSignatureException for an expired or not yet current
    /// signature.
    GatewayClockSkew {
        name: "GATEWAY_CLOCK_SKEW", code: Unavailable,
        outcomes: Always(Rejected), retry_info: true, methods: ANY,
        message: "AWS rejected the request because the gateway's clock is wrong. Nothing changed. Retry \
            later. If this continues, the gateway's operator must correct the clock.",
    }
    /// AWS rejects the gateway's key: UnrecognizedClientException, InvalidClientTokenId,
    /// InvalidAccessKeyId, MissingAuthenticationToken, other signature errors.
    GatewayCredentialsRejected {
        name: "GATEWAY_CREDENTIALS_REJECTED", code: Internal,
        outcomes: Always(Rejected), retry_info: false, methods: ANY,
        message: "AWS rejected the gateway's credentials. Nothing changed. The gateway's operator must \
            replace them.",
    }
    /// The gateway has no credentials: their provider failed, timed out, or hasn't responded yet.
    GatewayCredentialsUnavailable {
        name: "GATEWAY_CREDENTIALS_UNAVAILABLE", code: Unavailable,
        outcomes: Always(NotSent), retry_info: true, methods: ANY,
        message: "The gateway has no AWS credentials. Nothing was sent. Retry after the RetryInfo delay.",
    }
    /// The gateway has no keys to verify bearer tokens: it loaded none yet, or none for 24 hours
    /// (`--auth jwt`).
    GatewayKeysUnavailable {
        name: "GATEWAY_KEYS_UNAVAILABLE", code: Unavailable,
        outcomes: Always(NotSent), retry_info: true, methods: ANY,
        message: "The gateway has no keys to verify bearer tokens. Nothing was sent. Retry after the \
            RetryInfo delay.",
    }
    /// The name lookup, the connection, or the TLS handshake failed or timed out.
    AwsUnreachable {
        name: "AWS_UNREACHABLE", code: Unavailable,
        outcomes: Always(NotSent), retry_info: true, methods: ANY,
        message: "The gateway can't connect to AWS. Nothing was sent. Retry after the RetryInfo delay.",
    }
    /// The connection failed after the request might have been sent, or before the response was
    /// complete.
    AwsConnectionLost {
        name: "AWS_CONNECTION_LOST", code: Unknown,
        outcomes: Always(Unknown), retry_info: false, methods: ANY,
        message: "The connection to AWS failed before the response was complete. {unknown}",
    }
    /// AWS didn't respond within the attempt timeout.
    AwsTimeout {
        name: "AWS_TIMEOUT", code: DeadlineExceeded,
        outcomes: Always(Unknown), retry_info: false, methods: ANY,
        message: "AWS didn't respond within the attempt timeout. {unknown}",
    }
    /// The call's deadline passed.
    DeadlineExceeded {
        name: "DEADLINE_EXCEEDED", code: DeadlineExceeded,
        outcomes: Observed, retry_info: false, methods: ANY,
        message: "The deadline passed. {outcome}",
    }
    /// A response that the gateway can't read: HTML, broken JSON, a wrong type, a 4xx without a
    /// code.
    AwsBadResponse {
        name: "AWS_BAD_RESPONSE", code: Internal,
        outcomes: Observed, retry_info: false, methods: ANY,
        message: "AWS or a proxy sent a response that the gateway can't read. {outcome}",
    }
    /// The gateway sent an invalid request (SerializationException, UnknownOperation,
    /// UnknownOperationException, MalformedHttpRequest, MalformedHttpRequestException,
    /// RequestEntityTooLarge, RequestEntityTooLargeException), or it panicked.
    GatewayBug {
        name: "GATEWAY_BUG", code: Internal,
        outcomes: Observed, retry_info: false, methods: ANY,
        message: "The gateway has an internal error. {outcome} Report the request ID to the gateway's \
            operator.",
    }
    /// Any other 4xx code; 1xx and 3xx.
    AwsUnrecognizedError {
        name: "AWS_UNRECOGNIZED_ERROR", code: Unknown,
        outcomes: Always(Rejected), retry_info: false, methods: ANY,
        message: "AWS rejected the request with an unrecognized error. Nothing changed. See awsErrorCode \
            and httpStatus.",
    }
    /// The gateway reached its limit of in-flight calls, of waiting calls, or of health watches and
    /// reflection streams.
    GatewayOverloaded {
        name: "GATEWAY_OVERLOADED", code: ResourceExhausted,
        outcomes: Always(NotSent), retry_info: true, methods: ANY,
        message: "The gateway reached a concurrency limit. Nothing was sent. Retry after the RetryInfo \
            delay.",
    }
    /// The call was still running when the drain timeout expired, or at a second signal. UNKNOWN
    /// instead of UNAVAILABLE if the outcome of an acknowledgement or a result is unknown.
    GatewayShuttingDown {
        name: "GATEWAY_SHUTTING_DOWN", code: Unavailable,
        outcomes: Observed, retry_info: false, methods: ANY,
        message: "The gateway shut down before the call finished. {outcome}",
    }
    /// The caller canceled the call (log and metric only).
    CallerCancelled {
        name: "CALLER_CANCELLED", code: Cancelled,
        outcomes: Observed, retry_info: false, methods: ANY,
        message: "The caller canceled the call. {outcome}",
    }
    /// The operation is switched off (`--operations`).
    OperationDisabled {
        name: "OPERATION_DISABLED", code: Unimplemented,
        outcomes: Always(NotSent), retry_info: false, methods: ANY,
        message: "The gateway's operator disabled this operation. Nothing was sent. Ask the operator to \
            enable it.",
    }
    /// The action type isn't on the operator's list (`--action-types`). For details, the gateway
    /// withholds AWS's response.
    ActionTypeNotAllowed {
        name: "ACTION_TYPE_NOT_ALLOWED", code: PermissionDenied,
        outcomes: Observed, retry_info: false, methods: WITH_ACTION_TYPE,
        message: "The gateway's operator doesn't allow this action type. Ask the operator to add it.",
    }
    /// The caller sent no credential or an invalid one. The message names the problem.
    CallerUnauthenticated {
        name: "CALLER_UNAUTHENTICATED", code: Unauthenticated,
        outcomes: Always(NotSent), retry_info: false, methods: ANY,
        message: "The gateway can't authenticate the caller. Nothing was sent. Send a valid client \
            certificate or bearer token.",
    }
    /// The caller has an identity, and the allowlist doesn't allow it.
    CallerNotAllowed {
        name: "CALLER_NOT_ALLOWED", code: PermissionDenied,
        outcomes: Always(NotSent), retry_info: false, methods: ANY,
        message: "Your identity isn't on the gateway's allowlist. Nothing was sent. Ask the gateway's \
            operator to add it.",
    }
}

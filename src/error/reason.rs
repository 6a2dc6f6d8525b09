//! The table: what each failure is called, which gRPC code it has, and what a person is told.
//!
//! `docs/errors.md` is checked against it, and the table test goes through it row by row.

use std::borrow::Cow;

use tonic::Code;

/// What is known of a failed call at AWS: the one question that the caller of a call that isn't idempotent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The request provably never reached AWS.
    NotSent,
    /// AWS answered no; nothing happened.
    Rejected,
    /// It may have happened.
    Unknown,
}

impl Outcome {
    /// The value of the `outcome` key in `ErrorInfo.metadata`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }

    /// How a message ends whose reason doesn't say what is known of the call.
    #[must_use]
    pub const fn outcome_suffix(self) -> &'static str {
        match self {
            Self::NotSent => "; nothing was sent to AWS.",
            Self::Rejected => "; AWS had refused the call, so nothing happened.",
            Self::Unknown => {
                "; the job may be yours already: if a further call gets INVALID_NONCE, this one probably succeeded."
            }
        }
    }
}

/// Which outcomes a reason can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcomes {
    /// Always this one.
    Always(Outcome),
    /// Whatever was true of the call when it ended; the message then ends with it.
    Observed,
}

macro_rules! reasons {
    ($( $(#[doc = $doc:literal])+ $variant:ident $name:literal $code:ident $outcomes:expr, $retry:literal, $message:literal; )+) => {
        /// Why a call failed: `ErrorInfo.reason`. A stable name that callers match on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $( $(#[doc = $doc])+ $variant, )+ }

        impl Reason {
            /// Every reason, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            const fn row(self) -> Row {
                match self { $( Self::$variant => Row {
                    name: $name, code: Code::$code, outcomes: $outcomes, retry_info: $retry, message: $message,
                    meaning: concat!($($doc),+),
                }, )+ }
            }
        }
    };
}

struct Row {
    name: &'static str,
    code: Code,
    outcomes: Outcomes,
    retry_info: bool,
    message: &'static str,
    meaning: &'static str,
}

use Outcome::{NotSent, Rejected, Unknown};
use Outcomes::{Always, Observed};

// A row: what happened (also the docs' text) · variant, name, code, outcomes, RetryInfo or not · the message.
reasons! {
    /// A field is empty or too long; or the message is over 64 KiB, malformed, not UTF-8 or compressed; or `grpc-timeout` is malformed.
    InvalidRequest "INVALID_REQUEST" InvalidArgument Always(NotSent), false,
        "The gateway can't read the request; check it against the API's description and send it again.";
    /// There is no such service or method.
    UnknownMethod "UNKNOWN_METHOD" Unimplemented Always(NotSent), false,
        "The gateway has no such service or method; compare your proto file with the gateway's.";
    /// grpc.health.v1 was asked about a service that the gateway doesn't have.
    UnknownService "UNKNOWN_SERVICE" NotFound Always(NotSent), false,
        "The gateway has no health for that service; ask for the empty name or for codepipeline.thirdparty.v1.ThirdPartyJobService.";
    /// AWS refused a value: ValidationException, ValidationError.
    ValidationFailed "VALIDATION_FAILED" InvalidArgument Always(Rejected), false,
        "AWS refused a value of the request without saying which; the gateway's log has its words.";
    /// JobNotFoundException.
    JobNotFound "JOB_NOT_FOUND" NotFound Always(Rejected), false,
        "AWS knows no such job; check the job id and that the gateway uses the job's region.";
    /// InvalidNonceException.
    InvalidNonce "INVALID_NONCE" FailedPrecondition Always(Rejected), false,
        "AWS refused the nonce: the job was probably acknowledged already, by another worker or by an earlier call of yours.";
    /// InvalidClientTokenException.
    InvalidClientToken "INVALID_CLIENT_TOKEN" PermissionDenied Always(Rejected), false,
        "AWS refused the client token; check that it belongs to this job's action.";
    /// AWS throttled the gateway: the SDK's throttling codes, or HTTP 429.
    AwsThrottled "AWS_THROTTLED" ResourceExhausted Always(Rejected), true,
        "AWS throttled the call and nothing happened; make the same call again later.";
    /// HTTP 5xx, ServiceUnavailable, InternalFailure, InternalError, and the other names that AWS services give these.
    AwsUnavailable "AWS_UNAVAILABLE" Unknown Always(Unknown), false,
        "AWS failed inside, so the job may be yours already; if a further call gets INVALID_NONCE, this one probably succeeded.";
    /// RequestTimeout, RequestTimeoutException, RequestAbortedException, HTTP 408.
    AwsRequestTimeout "AWS_REQUEST_TIMEOUT" Unknown Always(Unknown), false,
        "AWS gave up on the request, so the job may be yours already; if a further call gets INVALID_NONCE, this one probably succeeded.";
    /// AWS denies the gateway's role: AccessDenied, AccessDeniedException, NotAuthorized, UnauthorizedOperation, OptInRequired.
    GatewayAccessDenied "GATEWAY_ACCESS_DENIED" Internal Always(Rejected), false,
        "The gateway's AWS role may not make this call; its operator has to allow codepipeline:AcknowledgeThirdPartyJob.";
    /// The gateway's credentials had expired: ExpiredToken, ExpiredTokenException, RequestExpired.
    GatewayCredentialsExpired "GATEWAY_CREDENTIALS_EXPIRED" Unavailable Always(Rejected), true,
        "The gateway's AWS credentials had expired and it is fetching new ones; make the same call again.";
    /// The gateway's clock is off, even with AWS's time taken from its last answer: RequestTimeTooSkewed, or InvalidSignatureException for an expired or not yet current signature.
    GatewayClockSkew "GATEWAY_CLOCK_SKEW" Unavailable Always(Rejected), true,
        "The gateway's clock is off, so AWS refused its signature and nothing happened; make the same call again later. If it goes on, its operator has to mend the clock.";
    /// AWS doesn't accept the gateway's key: UnrecognizedClientException, InvalidClientTokenId, InvalidAccessKeyId, MissingAuthenticationToken, other signature errors.
    GatewayCredentialsRejected "GATEWAY_CREDENTIALS_REJECTED" Internal Always(Rejected), false,
        "AWS doesn't accept the gateway's credentials; its operator has to replace them.";
    /// The gateway has no credentials: their provider failed, timed out or hasn't answered yet.
    GatewayCredentialsUnavailable "GATEWAY_CREDENTIALS_UNAVAILABLE" Unavailable Always(NotSent), true,
        "The gateway has no AWS credentials at the moment; make the same call again later.";
    /// The gateway has no keys to check bearer tokens with: none could be loaded yet, or not for 24 hours (`--auth jwt`).
    GatewayKeysUnavailable "GATEWAY_KEYS_UNAVAILABLE" Unavailable Always(NotSent), true,
        "The gateway has no keys of its issuer at the moment, so it can't tell who calls; make the same call again later.";
    /// Name lookup, connect or TLS handshake failed or timed out.
    AwsUnreachable "AWS_UNREACHABLE" Unavailable Always(NotSent), true,
        "The gateway can't reach AWS and nothing was sent; make the same call again later.";
    /// The connection broke after the request may have gone out, or while an answer came in whose meaning was still open.
    AwsConnectionLost "AWS_CONNECTION_LOST" Unknown Always(Unknown), false,
        "The connection to AWS broke, so the job may be yours already; if a further call gets INVALID_NONCE, this one probably succeeded.";
    /// AWS did not answer within the attempt timeout.
    AwsTimeout "AWS_TIMEOUT" DeadlineExceeded Always(Unknown), false,
        "AWS didn't answer in time, so the job may be yours already; if a further call gets INVALID_NONCE, this one probably succeeded.";
    /// The call's deadline passed.
    DeadlineExceeded "DEADLINE_EXCEEDED" DeadlineExceeded Observed, false,
        "The call's deadline passed";
    /// An answer that can't be read: HTML, broken JSON, a wrong type, a 4xx without a code.
    AwsBadResponse "AWS_BAD_RESPONSE" Internal Observed, false,
        "AWS, or something before it, gave an answer that can't be read";
    /// The gateway built the request wrongly (SerializationException, UnknownOperation, UnknownOperationException, MalformedHttpRequest, MalformedHttpRequestException, RequestEntityTooLarge, RequestEntityTooLargeException) or panicked.
    GatewayBug "GATEWAY_BUG" Internal Observed, false,
        "The gateway has a bug (please report it with the request id)";
    /// Any other 4xx code; 1xx and 3xx.
    AwsUnrecognizedError "AWS_UNRECOGNIZED_ERROR" Unknown Always(Rejected), false,
        "AWS refused the call for a reason that the gateway doesn't know, and nothing happened; see awsErrorCode or httpStatus, and the gateway's log.";
    /// The gateway is at its in-flight limit, or at that of health watches and reflection streams.
    GatewayOverloaded "GATEWAY_OVERLOADED" ResourceExhausted Always(NotSent), true,
        "The gateway has as many calls in flight as it may; make the same call again later.";
    /// Still running when the drain time was over, or at a second signal; UNKNOWN instead of UNAVAILABLE if the outcome is unknown.
    GatewayShuttingDown "GATEWAY_SHUTTING_DOWN" Unavailable Observed, false,
        "The gateway shut down before the call ended";
    /// The caller hung up (log and metric only).
    CallerCancelled "CALLER_CANCELLED" Cancelled Observed, false,
        "The caller hung up before the call ended";
    /// The calling service gave no credential, or a bad one; the message says which.
    CallerUnauthenticated "CALLER_UNAUTHENTICATED" Unauthenticated Always(NotSent), false,
        "The gateway doesn't know who calls; present a valid client certificate or bearer token.";
    /// The calling service is known and not allowed.
    CallerNotAllowed "CALLER_NOT_ALLOWED" PermissionDenied Always(NotSent), false,
        "The calling service isn't on the gateway's list; its operator has to allow it.";
}

impl Reason {
    /// The stable name, in `UPPER_SNAKE_CASE` (AIP-193).
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The gRPC code of a failure with this outcome.
    #[must_use]
    pub fn code(self, outcome: Outcome) -> Code {
        // A mesh repeats UNAVAILABLE by itself, so an unknown outcome must never have that code.
        match (self.row().code, outcome) {
            (Code::Unavailable, Unknown) => Code::Unknown,
            (code, _) => code,
        }
    }

    /// Which outcomes it can have.
    #[must_use]
    pub const fn outcomes(self) -> Outcomes {
        self.row().outcomes
    }

    /// Whether waiting helps: the error then says how long (`RetryInfo`).
    #[must_use]
    pub const fn has_retry_info(self) -> bool {
        self.row().retry_info
    }

    /// One message for a person: what happened and what to do.
    #[must_use]
    pub fn message(self, outcome: Outcome) -> Cow<'static, str> {
        match self.row() {
            Row { outcomes: Observed, message, .. } => {
                format!("{message}{}", outcome.outcome_suffix()).into()
            }
            Row { message, .. } => message.into(),
        }
    }

    /// What leads to this reason, for the documentation.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        self.row().meaning
    }
}

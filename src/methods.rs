//! The table of every RPC that the gateway serves. The limits, the log, the metrics, the errors,
//! and the AWS side look up here what they need to know about a method.

/// One RPC: its gRPC names, and for a job operation also its facts about AWS.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// The path of its requests.
    pub path: &'static str,
    /// The full name of its service.
    pub service: &'static str,
    /// Its name within the service. For a job operation, also its name at AWS.
    pub name: &'static str,
    /// `unary`, `server_stream`, or `bidi_stream`, as go-grpc-middleware names them.
    pub kind: &'static str,
    /// What it is for.
    pub role: Role,
    /// The IAM action that the gateway's role needs for it.
    pub iam_action: &'static str,
    /// The name of the operation in the configuration, such as `acknowledge`.
    pub short_name: &'static str,
    /// What a second call does after an unknown outcome.
    pub idempotency: Idempotency,
    /// What an unknown outcome means for the caller, and what to do. Whole sentences.
    pub if_unknown: &'static str,
}

/// What a second call does after a call with an unknown outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// It can have another result than the first. Only a person or a worker decides to make it.
    None,
    /// It does no harm, but it has an effect of its own. The caller can retry; the gateway doesn't.
    Retryable,
    /// It changes nothing. The gateway retries within the deadline, and the caller can retry too.
    NoSideEffects,
}

/// What a method is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A job operation: the in-flight limit holds, and each call is logged.
    Job,
    /// Health: never rejected because of calls in flight, and never logged.
    Health,
    /// Reflection: never rejected because of calls in flight.
    Reflection,
    /// The method doesn't exist.
    Unknown,
}

const JOB_SERVICE: &str = "codepipeline.thirdparty.v1.ThirdPartyJobService";

/// The columns that all job operations share.
const JOB_OPERATION: Method = Method { service: JOB_SERVICE, role: Role::Job, ..NOT_AT_AWS };

/// The columns of a method that never calls AWS.
const NOT_AT_AWS: Method = Method {
    path: "",
    service: "unknown",
    name: "unknown",
    kind: "unary",
    role: Role::Unknown,
    iam_action: "",
    short_name: "",
    idempotency: Idempotency::None,
    if_unknown: "",
};

/// PollForThirdPartyJobs.
pub static POLL: Method = Method {
    path: "/codepipeline.thirdparty.v1.ThirdPartyJobService/PollForThirdPartyJobs",
    name: "PollForThirdPartyJobs",
    iam_action: "codepipeline:PollForThirdPartyJobs",
    short_name: "poll",
    idempotency: Idempotency::Retryable,
    if_unknown: "AWS hands jobs out again that no worker acknowledged. You can retry the call.",
    ..JOB_OPERATION
};

/// GetThirdPartyJobDetails.
pub static DETAILS: Method = Method {
    path: "/codepipeline.thirdparty.v1.ThirdPartyJobService/GetThirdPartyJobDetails",
    name: "GetThirdPartyJobDetails",
    iam_action: "codepipeline:GetThirdPartyJobDetails",
    short_name: "details",
    idempotency: Idempotency::NoSideEffects,
    if_unknown: "Nothing changed. You can retry the call.",
    ..JOB_OPERATION
};

/// AcknowledgeThirdPartyJob.
pub static ACKNOWLEDGE: Method = Method {
    path: "/codepipeline.thirdparty.v1.ThirdPartyJobService/AcknowledgeThirdPartyJob",
    name: "AcknowledgeThirdPartyJob",
    iam_action: "codepipeline:AcknowledgeThirdPartyJob",
    short_name: "acknowledge",
    if_unknown: "The job might already be yours. Don't retry automatically. \
                 If one deliberate retry returns INVALID_NONCE, this call probably succeeded.",
    ..JOB_OPERATION
};

/// PutThirdPartyJobSuccessResult.
pub static SUCCESS: Method = Method {
    path: "/codepipeline.thirdparty.v1.ThirdPartyJobService/PutThirdPartyJobSuccessResult",
    name: "PutThirdPartyJobSuccessResult",
    iam_action: "codepipeline:PutThirdPartyJobSuccessResult",
    short_name: "success",
    if_unknown: RESULT_UNKNOWN,
    ..JOB_OPERATION
};

/// PutThirdPartyJobFailureResult.
pub static FAILURE: Method = Method {
    path: "/codepipeline.thirdparty.v1.ThirdPartyJobService/PutThirdPartyJobFailureResult",
    name: "PutThirdPartyJobFailureResult",
    iam_action: "codepipeline:PutThirdPartyJobFailureResult",
    short_name: "failure",
    if_unknown: RESULT_UNKNOWN,
    ..JOB_OPERATION
};

const RESULT_UNKNOWN: &str = "The job might have ended. Never report the opposite result. You can retry \
                              this call: OK or INVALID_JOB_STATE most likely means that the job ended.";

static HEALTH_CHECK: Method = Method {
    path: "/grpc.health.v1.Health/Check",
    service: "grpc.health.v1.Health",
    name: "Check",
    role: Role::Health,
    ..NOT_AT_AWS
};

static HEALTH_WATCH: Method = Method {
    path: "/grpc.health.v1.Health/Watch",
    service: "grpc.health.v1.Health",
    name: "Watch",
    kind: "server_stream",
    role: Role::Health,
    ..NOT_AT_AWS
};

static REFLECTION_V1: Method = Method {
    path: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    service: "grpc.reflection.v1.ServerReflection",
    name: "ServerReflectionInfo",
    kind: "bidi_stream",
    role: Role::Reflection,
    ..NOT_AT_AWS
};

static REFLECTION_V1ALPHA: Method = Method {
    path: "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    service: "grpc.reflection.v1alpha.ServerReflection",
    name: "ServerReflectionInfo",
    kind: "bidi_stream",
    role: Role::Reflection,
    ..NOT_AT_AWS
};

/// Every method that exists.
pub static METHODS: &[&Method] = &[
    &POLL,
    &DETAILS,
    &ACKNOWLEDGE,
    &SUCCESS,
    &FAILURE,
    &HEALTH_CHECK,
    &HEALTH_WATCH,
    &REFLECTION_V1,
    &REFLECTION_V1ALPHA,
];

/// Stands for every method that doesn't exist, so that a caller can't create new time series or
/// long names.
pub static UNKNOWN: Method = NOT_AT_AWS;

impl Method {
    /// The method of a request with this path.
    #[must_use]
    pub fn of(path: &str) -> &'static Self {
        METHODS.iter().copied().find(|method| method.path == path).unwrap_or(&UNKNOWN)
    }

    /// The job operations, in the table's order.
    pub fn operations() -> impl Iterator<Item = &'static Self> {
        METHODS.iter().copied().filter(|method| method.role == Role::Job)
    }

    /// Whether a call lasts as long as its caller wants.
    #[must_use]
    pub fn is_streaming(&self) -> bool {
        self.kind != "unary"
    }

    /// Service and method in one name, as OpenTelemetry writes it; none for a method that doesn't
    /// exist.
    #[must_use]
    pub fn full_name(&self) -> Option<&'static str> {
        self.path.strip_prefix('/')
    }
}

/// Groups of operations that can have the same errors.
pub(crate) mod groups {
    use super::{ACKNOWLEDGE, DETAILS, FAILURE, Method, POLL, SUCCESS};

    pub(crate) const NONE: &[&Method] = &[];
    pub(crate) const ANY: &[&Method] = &[&POLL, &DETAILS, &ACKNOWLEDGE, &SUCCESS, &FAILURE];
    pub(crate) const OF_A_JOB: &[&Method] = &[&DETAILS, &ACKNOWLEDGE, &SUCCESS, &FAILURE];
    pub(crate) const POLLS: &[&Method] = &[&POLL];
    pub(crate) const READS: &[&Method] = &[&DETAILS];
    pub(crate) const WITH_ACTION_TYPE: &[&Method] = &[&POLL, &DETAILS];
    pub(crate) const ACKNOWLEDGEMENT: &[&Method] = &[&ACKNOWLEDGE];
    pub(crate) const RESULTS: &[&Method] = &[&SUCCESS, &FAILURE];
}

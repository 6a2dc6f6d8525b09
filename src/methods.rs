//! The table of every RPC that the gateway serves. The limits, the log, the metrics, the errors, and the AWS side look
//! up here what they need to know about a method.

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
    /// Whether AWS may be asked again after an attempt with an unknown outcome. Only true where a second call has the
    /// same effect as one.
    pub retries_unknown: bool,
    /// What an unknown outcome means for the caller, and what to do. Whole sentences.
    pub if_unknown: &'static str,
}

/// What a method is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A job operation: the in-flight limit holds, and each call is logged.
    Job,
    /// Health: never refused because of calls in flight, and never logged.
    Health,
    /// Reflection: never refused because of calls in flight.
    Reflection,
    /// The method doesn't exist.
    Unknown,
}

const JOB_SERVICE: &str = "codepipeline.thirdparty.v1.ThirdPartyJobService";

/// What a method has in these columns that never calls AWS.
const NOT_AT_AWS: Method = Method {
    path: "",
    service: "unknown",
    name: "unknown",
    kind: "unary",
    role: Role::Unknown,
    iam_action: "",
    retries_unknown: false,
    if_unknown: "",
};

/// AcknowledgeThirdPartyJob.
pub static ACKNOWLEDGE: Method = Method {
    path: "/codepipeline.thirdparty.v1.ThirdPartyJobService/AcknowledgeThirdPartyJob",
    service: JOB_SERVICE,
    name: "AcknowledgeThirdPartyJob",
    kind: "unary",
    role: Role::Job,
    iam_action: "codepipeline:AcknowledgeThirdPartyJob",
    retries_unknown: false,
    if_unknown: "The job might already be yours. Don't retry automatically. \
                 If one deliberate retry returns INVALID_NONCE, this call probably succeeded.",
};

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
pub static METHODS: [&Method; 5] =
    [&ACKNOWLEDGE, &HEALTH_CHECK, &HEALTH_WATCH, &REFLECTION_V1, &REFLECTION_V1ALPHA];

/// Stands for every method that doesn't exist, so that a caller can't create new time series or long names.
pub static UNKNOWN: Method = NOT_AT_AWS;

impl Method {
    /// The method of a request with this path.
    #[must_use]
    pub fn of(path: &str) -> &'static Self {
        METHODS.into_iter().find(|method| method.path == path).unwrap_or(&UNKNOWN)
    }

    /// The job operations, in the table's order.
    pub fn operations() -> impl Iterator<Item = &'static Self> {
        METHODS.into_iter().filter(|method| method.role == Role::Job)
    }

    /// Whether a call lasts as long as its caller wants.
    #[must_use]
    pub fn is_streaming(&self) -> bool {
        self.kind != "unary"
    }

    /// Service and method in one name, as OpenTelemetry writes it; none for a method that doesn't exist.
    #[must_use]
    pub fn full_name(&self) -> Option<&'static str> {
        self.path.strip_prefix('/')
    }
}

//! Which methods there are. One table for whatever has to tell them apart: the limit, the log, the metrics, the errors.

/// A method, by its gRPC names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rpc {
    /// The path of its requests.
    path: &'static str,
    pub(crate) service: &'static str,
    pub(crate) method: &'static str,
    /// `unary`, `server_stream` or `bidi_stream`, as go-grpc-middleware names them.
    pub(crate) kind: &'static str,
    pub(crate) role: Role,
}

/// What a method is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The gateway's own work: limited and logged.
    Job,
    /// Health: never refused for the calls that are in flight, never logged.
    Health,
    /// Reflection: never refused for the calls that are in flight.
    Reflection,
    /// There is no such method.
    Unknown,
}

/// Every method that there is.
pub(crate) static RPCS: [Rpc; 5] = [
    Rpc {
        path: "/codepipeline.thirdparty.v1.ThirdPartyJobService/AcknowledgeThirdPartyJob",
        service: "codepipeline.thirdparty.v1.ThirdPartyJobService",
        method: "AcknowledgeThirdPartyJob",
        kind: "unary",
        role: Role::Job,
    },
    Rpc {
        path: "/grpc.health.v1.Health/Check",
        service: "grpc.health.v1.Health",
        method: "Check",
        kind: "unary",
        role: Role::Health,
    },
    Rpc {
        path: "/grpc.health.v1.Health/Watch",
        service: "grpc.health.v1.Health",
        method: "Watch",
        kind: "server_stream",
        role: Role::Health,
    },
    Rpc {
        path: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        service: "grpc.reflection.v1.ServerReflection",
        method: "ServerReflectionInfo",
        kind: "bidi_stream",
        role: Role::Reflection,
    },
    Rpc {
        path: "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        service: "grpc.reflection.v1alpha.ServerReflection",
        method: "ServerReflectionInfo",
        kind: "bidi_stream",
        role: Role::Reflection,
    },
];

/// What every method that there isn't is folded into: a caller must not be able to make new series or long names.
pub(crate) static UNKNOWN: Rpc =
    Rpc { path: "", service: "unknown", method: "unknown", kind: "unary", role: Role::Unknown };

impl Rpc {
    /// The method of a request.
    pub(crate) fn of(path: &str) -> &'static Self {
        RPCS.iter().find(|rpc| rpc.path == path).unwrap_or(&UNKNOWN)
    }

    /// Whether it goes on for as long as its caller likes.
    pub(crate) fn lasts(&self) -> bool {
        self.kind != "unary"
    }

    /// Service and method in one, as OpenTelemetry names it; nothing for a method that there isn't.
    pub(crate) fn full_name(&self) -> Option<&'static str> {
        self.path.strip_prefix('/')
    }
}

//! Which methods there are. One table for whatever has to tell them apart: the limit, the log, the metrics, the errors.

/// A method, by its gRPC names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Method {
    /// The path of its requests.
    path: &'static str,
    pub(crate) service: &'static str,
    pub(crate) name: &'static str,
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
pub(crate) static METHODS: [Method; 5] = [
    Method {
        path: "/codepipeline.thirdparty.v1.ThirdPartyJobService/AcknowledgeThirdPartyJob",
        service: "codepipeline.thirdparty.v1.ThirdPartyJobService",
        name: "AcknowledgeThirdPartyJob",
        kind: "unary",
        role: Role::Job,
    },
    Method {
        path: "/grpc.health.v1.Health/Check",
        service: "grpc.health.v1.Health",
        name: "Check",
        kind: "unary",
        role: Role::Health,
    },
    Method {
        path: "/grpc.health.v1.Health/Watch",
        service: "grpc.health.v1.Health",
        name: "Watch",
        kind: "server_stream",
        role: Role::Health,
    },
    Method {
        path: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        service: "grpc.reflection.v1.ServerReflection",
        name: "ServerReflectionInfo",
        kind: "bidi_stream",
        role: Role::Reflection,
    },
    Method {
        path: "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        service: "grpc.reflection.v1alpha.ServerReflection",
        name: "ServerReflectionInfo",
        kind: "bidi_stream",
        role: Role::Reflection,
    },
];

/// What every method that there isn't is folded into: a caller must not be able to make new series or long names.
pub(crate) static UNKNOWN: Method =
    Method { path: "", service: "unknown", name: "unknown", kind: "unary", role: Role::Unknown };

impl Method {
    /// The method of a request.
    pub(crate) fn of(path: &str) -> &'static Self {
        METHODS.iter().find(|method| method.path == path).unwrap_or(&UNKNOWN)
    }

    /// Whether it goes on for as long as its caller likes.
    pub(crate) fn is_streaming(&self) -> bool {
        self.kind != "unary"
    }

    /// Service and method in one, as OpenTelemetry names it; nothing for a method that there isn't.
    pub(crate) fn full_name(&self) -> Option<&'static str> {
        self.path.strip_prefix('/')
    }
}

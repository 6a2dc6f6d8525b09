//! The layers that every request of a connection passes, outermost first.

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body::Body as HttpBody;
use tonic::body::Body;
use tower::{Service, ServiceBuilder};
use tower_http::map_request_body::MapRequestBodyLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::validate_request::ValidateRequestHeaderLayer;

use super::grpc_only::require_grpc;
use super::peer::Tasks;
use super::request_body::DrainOnDrop;
use crate::call::REQUEST_ID;

/// Longest request ID of a client, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// Puts the layers of one connection around the service that handles its gRPC calls.
pub(super) fn stack<B, S>(
    tasks: Tasks,
    grpc_calls: S,
) -> impl Service<Request<B>, Response = Response<Body>, Error = S::Error, Future: Send> + Clone
where
    B: HttpBody + Send + Unpin + 'static,
    S: Service<Request<DrainOnDrop<B>>, Response = Response<Body>, Future: Send> + Clone,
{
    ServiceBuilder::new()
        // Reads the rest of a request body if an inner layer or service responds before its end.
        .layer(MapRequestBodyLayer::new(move |body| DrainOnDrop::new(body, tasks.clone())))
        // Marks bearer tokens, so that no inner layer prints them with the headers.
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION]))
        // Rejects requests that aren't gRPC over HTTP/2 with 415. They get no request ID.
        .layer(ValidateRequestHeaderLayer::custom(require_grpc))
        // Must precede `SetRequestIdLayer`, which keeps any ID that it finds.
        .map_request(remove_unusable_request_id)
        // Gives each call without an ID a new one.
        .layer(SetRequestIdLayer::x_request_id(RandomUuid))
        // Copies the ID to the response, also of a call that panics and of tonic's own errors.
        .layer(PropagateRequestIdLayer::x_request_id())
        // Access log, panics, tonic's own errors, deadline, authentication, and limits.
        .service(grpc_calls)
}

/// Makes request IDs. An ID is unique and no secret, so it needs no random bytes of the kernel.
/// tower-http's `MakeRequestUuid` asks for some with each call.
#[derive(Clone, Copy)]
struct RandomUuid;

impl MakeRequestId for RandomUuid {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let uuid = uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
        HeaderValue::try_from(uuid.to_string()).ok().map(RequestId::new)
    }
}

/// Removes a request ID that can't be copied to logs and headers.
fn remove_unusable_request_id<B>(mut request: Request<B>) -> Request<B> {
    let usable = |id: &HeaderValue| {
        (1..=MAX_REQUEST_ID).contains(&id.len())
            && id.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"._:/-".contains(b))
    };
    if request.headers().get(REQUEST_ID).is_some_and(|id| !usable(id)) {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::{StatusCode, Version};
    use http_body_util::Empty;
    use tokio::time::timeout;
    use tokio_util::task::TaskTracker;
    use tower::{BoxError, ServiceExt};
    use tower_test::mock::{self, Mock, SendResponse};

    use super::*;
    use crate::methods::ACKNOWLEDGE;

    type Inner = Request<DrainOnDrop<Empty<Bytes>>>;
    type Handle = mock::Handle<Inner, Response<Body>>;

    fn grpc(headers: &[(&str, &str)]) -> Request<Empty<Bytes>> {
        let request = Request::post(ACKNOWLEDGE.path)
            .version(Version::HTTP_2)
            .header("content-type", "application/grpc");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(Empty::new()).unwrap()
    }

    /// Sends a request through the stack. `inner` is the service inside.
    async fn send<T>(
        request: Request<Empty<Bytes>>,
        inner: impl AsyncFnOnce(Handle) -> T,
    ) -> (Result<Response<Body>, BoxError>, T) {
        let (service, mut handle): (Mock<Inner, Response<Body>>, Handle) = mock::pair();
        handle.allow(1);
        let stack = stack(Tasks::new(TaskTracker::new()), service);
        let both = async { tokio::join!(stack.oneshot(request), inner(handle)) };
        timeout(Duration::from_secs(60), both).await.expect("a response")
    }

    async fn next(handle: &mut Handle) -> (Inner, SendResponse<Response<Body>>) {
        handle.next_request().await.expect("the request reaches the service")
    }

    /// The request ID that the service inside gets, and the one that the client gets.
    async fn request_ids(headers: &[(&str, &str)]) -> (String, String) {
        let (response, id) = send(grpc(headers), async |mut handle| {
            let (request, response) = next(&mut handle).await;
            response.send_response(Response::default());
            request.headers()[REQUEST_ID].to_str().unwrap().to_owned()
        })
        .await;
        (id, response.unwrap().headers()[REQUEST_ID].to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn a_request_that_is_not_grpc_gets_415_from_the_stack() {
        let text = "text/plain; charset=utf-8";
        let mut http1 = grpc(&[]);
        *http1.version_mut() = Version::HTTP_11;
        let mut get = grpc(&[]);
        *get.method_mut() = http::Method::GET;
        let mut web = grpc(&[("x-request-id", "mine")]);
        web.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc-web"));
        let mut none = grpc(&[]);
        none.headers_mut().remove("content-type");
        for request in [http1, get, web, none] {
            let (response, reached) =
                send(request, async |mut handle| handle.next_request().await.is_some()).await;
            let response = response.unwrap();
            assert!(!reached, "the service gets no request");
            assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
            assert_eq!(response.headers()["content-type"], text);
            assert!(!response.headers().contains_key(REQUEST_ID));
        }
    }

    #[tokio::test]
    async fn a_usable_request_id_comes_back_unchanged() {
        let longest = "a".repeat(MAX_REQUEST_ID);
        for id in ["worker-7/build:42.1_x", "1", &longest] {
            assert_eq!(request_ids(&[("x-request-id", id)]).await, (id.to_owned(), id.to_owned()));
        }
    }

    #[tokio::test]
    async fn an_unusable_request_id_is_replaced() {
        let too_long = "a".repeat(MAX_REQUEST_ID + 1);
        for headers in
            [&[][..], &[("x-request-id", "")], &[("x-request-id", "a b")], &[("x-request-id", &too_long)]]
        {
            let (inside, outside) = request_ids(headers).await;
            assert_eq!(inside, outside);
            assert_eq!(uuid::Uuid::parse_str(&inside).unwrap().get_version_num(), 4, "{headers:?}");
        }
    }

    #[tokio::test]
    async fn only_the_bearer_token_is_marked_as_sensitive() {
        let headers = [("authorization", "Bearer secret"), ("user-agent", "worker")];
        let (_, marked) = send(grpc(&headers), async |mut handle| {
            let (request, response) = next(&mut handle).await;
            response.send_response(Response::default());
            ["authorization", "user-agent"].map(|name| request.headers()[name].is_sensitive())
        })
        .await;
        assert_eq!(marked, [true, false]);
    }

    #[tokio::test]
    async fn an_error_of_the_service_passes_the_stack() {
        let (response, ()) = send(grpc(&[]), async |mut handle| {
            next(&mut handle).await.1.send_error("failed");
        })
        .await;
        assert_eq!(response.unwrap_err().to_string(), "failed");
    }
}

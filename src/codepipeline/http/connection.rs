//! One connection: it sends a request and reads its whole response, driven by the call's own task.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};

use super::connect::Io;

/// The largest buffer for the head of a response. AWS's has less than 2 KiB.
const MAX_BUFFER: usize = 16 * 1024;

/// The body of a request. Boxed, because hyper has room for 32 requests for each connection.
pub(super) type Body = Box<SdkBody>;

/// An open connection.
pub(super) struct Connection {
    requests: SendRequest<Body>,
    /// The protocol, as long as it runs.
    driver: Option<Box<http1::Connection<Io, Body>>>,
}

/// A response whose body was read as far as possible.
pub(super) struct Received {
    pub(super) head: http::response::Parts,
    pub(super) body: Bytes,
    /// Why the body ends early.
    pub(super) broken: Option<BoxError>,
}

impl Connection {
    pub(super) async fn open(io: Io) -> Result<Self, BoxError> {
        let (requests, driver) = http1::Builder::new().max_buf_size(MAX_BUFFER).handshake(io).await?;
        Ok(Self { requests, driver: Some(Box::new(driver)) })
    }

    /// Whether a request can be sent now. An idle connection that the server closed says so here.
    pub(super) fn is_ready(&mut self) -> bool {
        drive(&mut self.driver, &mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && self.requests.is_ready()
    }

    /// Sends a request, and reads the head of the response.
    ///
    /// # Errors
    /// No response. If not one byte of the request was sent, the error contains the request.
    pub(super) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
        let mut response = pin!(self.requests.try_send_request(request));
        let driver = &mut self.driver;
        poll_fn(|context| {
            drive(driver, context);
            response.as_mut().poll(context)
        })
        .await
    }

    /// Reads the body of a response, at most `max` bytes and a frame.
    pub(super) async fn read(&mut self, response: Response<Incoming>, max: usize) -> Received {
        let (head, mut body) = response.into_parts();
        let (mut parts, mut length, mut broken) = (Vec::<Bytes>::new(), 0, None);
        while length <= max && broken.is_none() {
            let frame = poll_fn(|context| {
                drive(&mut self.driver, context);
                Pin::new(&mut body).poll_frame(context)
            });
            match frame.await.map(|frame| frame.map(Frame::into_data)) {
                None => break,
                Some(Ok(Ok(data))) => {
                    length += data.len();
                    parts.push(data);
                }
                Some(Ok(Err(_trailers))) => {}
                Some(Err(error)) => broken = Some(error.into()),
            }
        }
        let body = match &parts[..] {
            [whole] => whole.clone(),
            parts => parts.concat().into(),
        };
        Received { head, body, broken }
    }
}

/// Runs the protocol. Its errors reach the request.
fn drive(driver: &mut Option<Box<http1::Connection<Io, Body>>>, context: &mut Context<'_>) {
    if let Some(running) = driver
        && let Poll::Ready(_ended) = Pin::new(running).poll(context)
    {
        *driver = None;
    }
}

//! Ends health watches and reflection streams when their connection drains.
//!
//! These streams have no end of their own and would hold up the drain. tonic doesn't end them, and
//! no upstream issue asks for it (grpc-dotnet does the same since grpc/grpc-dotnet#2582). An option
//! of tonic-health and tonic-reflection that takes a shutdown signal would replace this file.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use pin_project_lite::pin_project;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use super::admission::StreamPermits;

pin_project! {
    /// A body that ends with status OK when its connection starts to drain.
    pub(super) struct EndOnClose {
        #[pin]
        body: Body,
        #[pin]
        closing: WaitForCancellationFutureOwned,
        ended: bool,
        _permits: StreamPermits,
    }
}

impl EndOnClose {
    pub(super) fn new(body: Body, closing: CancellationToken, permits: StreamPermits) -> Self {
        Self { body, closing: closing.cancelled_owned(), ended: false, _permits: permits }
    }
}

impl http_body::Body for EndOnClose {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            return Poll::Ready(frame);
        }
        if this.closing.poll(cx).is_pending() {
            return Poll::Pending;
        }
        *this.ended = true;
        // OK, because nothing failed. Client libraries open the stream again.
        let trailers = HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from_static("0"))]);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }
}

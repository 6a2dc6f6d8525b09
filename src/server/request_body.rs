//! Drains request bodies that the service didn't read.
//!
//! A call can get its response while its message still arrives, for example if it is rejected. h2
//! then resets the stream. If more of the message arrives after h2 has forgotten the stream, h2
//! counts it as a protocol error, and closes the connection after too many of these. A client that
//! is often rejected would then lose its other calls.
//!
//! No upstream issue asks for a change. hyperium/h2#856 only reports connections that h2 closed for
//! its count. If h2 didn't count frames of streams that it reset itself, this file could be
//! deleted.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::rt::Executor;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::peer::Tasks;

/// Time limit for draining. After that, the stream is reset.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// A request body that is drained if it is dropped before its end.
pub(super) struct DrainOnDrop<B: Body + Send + Unpin + 'static> {
    /// Present until the drop.
    body: Option<B>,
    tasks: Tasks,
}

impl<B: Body + Send + Unpin> DrainOnDrop<B> {
    pub(super) fn new(body: B, tasks: Tasks) -> Self {
        Self { body: Some(body), tasks }
    }
}

impl<B: Body + Send + Unpin> Body for DrainOnDrop<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body + Send + Unpin + 'static> Drop for DrainOnDrop<B> {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| !body.is_end_stream());
        // Without a runtime there is no connection either.
        if let (Some(unread), Ok(_)) = (unread, Handle::try_current()) {
            self.tasks.execute(drain(unread));
        }
    }
}

async fn drain(mut unread: impl Body + Unpin) {
    let _ = timeout(DRAIN_TIME, async { while let Some(Ok(_)) = unread.frame().await {} }).await;
}

//! The unread of a message that nobody reads: a call can have its answer while its message is still coming.
//!
//! h2 resets such a stream, and takes what then still comes on it for a breach of the protocol once it has forgotten the
//! stream; after enough of that it ends the connection. So a caller that is refused often, and did nothing wrong, would
//! lose its other calls. The unread is read and forgotten instead.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::rt::Executor;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::connection::Tasks;

/// How long the unread may take; then the stream is reset after all.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// A request's body that is read to its end even if it is dropped before.
pub(super) struct DrainOnDrop {
    /// There until it is dropped.
    body: Option<Incoming>,
    tasks: Tasks,
}

impl DrainOnDrop {
    pub(super) fn new(body: Incoming, tasks: Tasks) -> Self {
        Self { body: Some(body), tasks }
    }
}

impl Body for DrainOnDrop {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for DrainOnDrop {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| !body.is_end_stream());
        // Where no runtime is left there is no connection either.
        if let (Some(unread), Ok(_)) = (unread, Handle::try_current()) {
            self.tasks.execute(drain(unread));
        }
    }
}

async fn drain(mut unread: Incoming) {
    let _ = timeout(DRAIN_TIME, async { while let Some(Ok(_)) = unread.frame().await {} }).await;
}

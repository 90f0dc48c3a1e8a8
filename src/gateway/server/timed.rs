//! A connection that ends when nothing comes, or when a request takes too long to come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A stream with one deadline: `request` from the beginning and from the first byte after an answer, `idle` from an answer.
///
/// Where a client sends the beginning of a next request before it has the answer to the last, `idle` holds for that too:
/// only connections whose last request was taken come that far.
#[derive(Debug)]
pub(super) struct Timed<S> {
    stream: S,
    deadline: Pin<Box<Sleep>>,
    requested: bool,
    request: Duration,
    idle: Duration,
}

impl<S> Timed<S> {
    pub(super) fn new(stream: S, request: Duration, idle: Duration) -> Self {
        Self { stream, deadline: Box::pin(tokio::time::sleep(request)), requested: true, request, idle }
    }

    /// Pending, or an error once the deadline is over.
    fn bounded<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        std::task::ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn set(&mut self, requested: bool) {
        if self.requested != requested {
            self.requested = requested;
            self.deadline.set(tokio::time::sleep(if requested { self.request } else { self.idle }));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) else { return this.bounded(context) };
        if buffer.filled().len() > before {
            this.set(true);
            // Bytes that keep coming one by one must not put the deadline off.
            if this.deadline.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Poll::Ready(written) = Pin::new(&mut this.stream).poll_write(context, bytes) else { return this.bounded(context) };
        this.set(false);
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Poll::Ready(flushed) = Pin::new(&mut this.stream).poll_flush(context) else { return this.bounded(context) };
        Poll::Ready(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Poll::Ready(ended) = Pin::new(&mut this.stream).poll_shutdown(context) else { return this.bounded(context) };
        Poll::Ready(ended)
    }
}

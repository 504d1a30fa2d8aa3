//! The connections that a [`crate::Server`] takes: one on which nothing moves is cut off, whatever it is for.
//!
//! A client that sends half a request, or leaves its answer unread, would else have its connection for ever. Both
//! directions count as one, because a long answer is read in silence. Deliberately not here: what moves slowly.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep, sleep},
};

/// A listener whose connections have to move.
pub(crate) struct Watching {
    pub(crate) listener: TcpListener,
    pub(crate) limit: Duration,
}

impl Listener for Watching {
    type Io = Watched;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Watched, SocketAddr) {
        // Axum's own waits where the system has no more to give.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // A page and the answer behind it are two small writes; the second is not to wait for the first one's receipt.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection delays its small writes");
        }
        let limit = self.limit;
        (Watched { stream, limit, stalled: Box::pin(sleep(limit)) }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that fails once nothing has moved for `limit`.
pub(crate) struct Watched {
    stream: TcpStream,
    limit: Duration,
    stalled: Pin<Box<Sleep>>,
}

impl Watched {
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        moved: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if moved.is_ready() {
            let limit = Instant::now() + self.limit;
            self.stalled.as_mut().reset(limit);
            return moved;
        }
        ready!(self.stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.watch(cx, moved)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, moved)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, moved)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// A flushed socket may still hold what the other side has not taken, so a flush is no movement.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

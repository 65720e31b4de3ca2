//! A connection whose reader has to keep a pace: one who drips or stops does not hold it, and what is sent over it, without end.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

/// The least that a reader takes of what there is for it.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// So many bytes,
    pub bytes: u64,
    /// each time it has been waited for so long in all. What is not waited for does not count: neither an idle connection
    /// nor an answer that is long in coming is the reader's doing.
    pub within: Duration,
}

/// A connection that ends when its reader is too slow.
pub(super) struct Paced {
    stream: TcpStream,
    pace: Pace,
    /// Taken since the reader last kept the pace.
    taken: u64,
    /// Waited since then, but for the wait that goes on.
    waited: Duration,
    waiting: Option<Instant>,
    end: Pin<Box<Sleep>>,
}

impl Paced {
    pub(super) fn new(stream: TcpStream, pace: Pace) -> Self {
        Self {
            stream,
            pace,
            taken: 0,
            waited: Duration::ZERO,
            waiting: None,
            end: Box::pin(sleep(pace.within)),
        }
    }

    fn judge(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => {
                if self.waiting.is_none() {
                    let now = Instant::now();
                    let left = self.pace.within.saturating_sub(self.waited);
                    self.waiting = Some(now);
                    self.end.as_mut().reset(now + left);
                }
                ready!(self.end.as_mut().poll(context));
                // What the reader did not take so far it does not get: nothing is kept for it.
                let _ = self.stream.set_zero_linger();
                let text = format!(
                    "the reader took {} bytes in {:?}, and no more",
                    self.taken, self.pace.within
                );
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
            }
            Poll::Ready(Ok(count)) => {
                if let Some(since) = self.waiting.take() {
                    self.waited += since.elapsed();
                }
                self.taken += count as u64;
                if self.taken >= self.pace.bytes {
                    (self.taken, self.waited) = (0, Duration::ZERO);
                }
                Poll::Ready(Ok(count))
            }
            failed => failed,
        }
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.judge(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

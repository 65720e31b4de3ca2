//! What another cluster's API server may take of us: time, and memory. A tenant says where it is, so it may be anybody.

use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep};
use tower::BoxError;

/// How long an answer may take to begin (Flux's timeout for a kubeconfig).
pub(super) const BEGIN: Duration = Duration::from_secs(30);
/// How long an answer that ends may take until it has ended.
const END: Duration = Duration::from_secs(60);
/// The largest answer, in bytes: a page of a list has at most 500 objects.
const LARGEST: usize = 64 << 20;
/// The largest event of a watch, in bytes; what etcd takes is smaller.
const EVENT: usize = 8 << 20;

/// The body of an answer, within bounds.
pub(super) struct Bounded<B> {
    body: Pin<Box<B>>,
    /// Bytes since the beginning, or for a watch since the last event's end.
    seen: usize,
    /// Of an answer that ends.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<B> Bounded<B> {
    /// Bounds the answer to a request; `watches` whether it goes on for ever, event by event.
    pub(super) fn new(body: B, watches: bool) -> Self {
        Self {
            body: Box::pin(body),
            seen: 0,
            deadline: (!watches).then(|| Box::pin(tokio::time::sleep_until(Instant::now() + END))),
        }
    }

    fn take_in(&mut self, data: &Bytes) -> Result<(), BoxError> {
        let watches = self.deadline.is_none();
        let end = data.iter().rposition(|byte| *byte == b'\n').filter(|_| watches);
        let most = match end {
            Some(end) => {
                let event = self.seen + end;
                self.seen = data.len() - end;
                event.max(self.seen)
            }
            None => {
                self.seen += data.len();
                self.seen
            }
        };
        let limit = if watches { EVENT } else { LARGEST };
        match most > limit {
            true => Err(format!("the answer has more than {} MiB", limit >> 20).into()),
            false => Ok(()),
        }
    }
}

impl<B> Body for Bounded<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            let text = format!("the answer has not ended after {} s", END.as_secs());
            return Poll::Ready(Some(Err(text.into())));
        }
        match self.body.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let bounded = frame.data_ref().map_or(Ok(()), |data| self.take_in(data));
                Poll::Ready(Some(bounded.map(|()| frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// Gives the same piece for ever, or nothing.
    struct Endless(Option<Bytes>);

    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match &self.0 {
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece.clone())))),
                None => Poll::Pending,
            }
        }
    }

    /// The bytes until it is given up, and why.
    async fn drain(piece: Option<&'static [u8]>, watches: bool, most: usize) -> (usize, Option<String>) {
        let mut body = Bounded::new(Endless(piece.map(Bytes::from_static)), watches);
        let mut count = 0;
        while count < most {
            match std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                Some(Ok(frame)) => count += frame.data_ref().map_or(0, Bytes::len),
                Some(Err(error)) => return (count, Some(error.to_string())),
                None => return (count, None),
            }
        }
        (count, None)
    }

    #[tokio::test]
    async fn no_answer_is_without_end() {
        static PIECE: [u8; 1 << 20] = [b'a'; 1 << 20];
        static LINES: [u8; 1 << 20] = {
            let mut lines = [b'a'; 1 << 20];
            lines[1000] = b'\n';
            lines
        };
        for (piece, watches, limit) in [
            (&PIECE, false, Some(LARGEST)),
            (&PIECE, true, Some(EVENT)),
            (&LINES, false, Some(LARGEST)),
            (&LINES, true, None),
        ] {
            let (count, error) = drain(Some(piece), watches, 2 * LARGEST).await;
            assert_eq!(error.is_some(), limit.is_some(), "{watches} {count}");
            assert!(limit.is_none_or(|limit| count <= limit), "{count}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_more_is_given_up() {
        let (_, error) = drain(None, false, 1).await;
        assert!(error.is_some_and(|e| e.contains("not ended")));
    }
}

//! Two futures at once.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// The output of whichever is ready first; of `first` if both are.
pub(crate) fn either<'a, T: 'a>(
    mut first: Pin<&'a mut (impl Future<Output = T> + 'a)>,
    mut second: Pin<&'a mut (impl Future<Output = T> + 'a)>,
) -> impl Future<Output = T> + 'a {
    poll_fn(move |context| match first.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(output),
        Poll::Pending => second.as_mut().poll(context),
    })
}

/// The first success, or else the last error.
pub(crate) async fn first_ok<T, E>(
    mut first: Pin<&mut impl Future<Output = Result<T, E>>>,
    mut second: Pin<&mut impl Future<Output = Result<T, E>>>,
) -> Result<T, E> {
    let (mut first_failed, mut second_failed) = (false, false);
    poll_fn(move |context| {
        if !first_failed {
            match first.as_mut().poll(context) {
                Poll::Ready(Err(_)) if !second_failed => first_failed = true,
                Poll::Ready(result) => return Poll::Ready(result),
                Poll::Pending => {}
            }
        }
        if !second_failed {
            match second.as_mut().poll(context) {
                Poll::Ready(Err(_)) if !first_failed => second_failed = true,
                Poll::Ready(result) => return Poll::Ready(result),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    })
    .await
}

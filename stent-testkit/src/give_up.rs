//! A caller that gives up: what it leaves behind must hinder nobody (S23).

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Polls a future so often at most, and then drops it; `None` if it was not over by then.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use stent_testkit::give_up_after;
/// assert_eq!(give_up_after(1, async { 7 }).await, Some(7));
/// assert_eq!(give_up_after(1, tokio::task::yield_now()).await, None);
/// # });
/// # Ok::<_, std::io::Error>(())
/// ```
pub async fn give_up_after<T>(polls: u32, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut polled) = (pin!(future), 0);
    poll_fn(|context| {
        polled += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polled >= polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

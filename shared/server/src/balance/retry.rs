use std::error::Error as StdError;
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use hyper::client::conn::TrySendError;
use tonic::{Code, Status};
use tower::retry::budget::TpsBudget;

use super::replay::ReplayBody;
use super::reply::ReplyBody;

/// How often one call is sent at most.
pub(super) const MAX_SENDS: usize = 5;
/// How often at most a call without side effects is sent after it may have reached somebody.
const MAX_ANSWERED: usize = 3;
/// Before a call is sent where it has failed; grows with each time.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// What went wrong with one sending of a call.
pub(super) enum Failure {
    /// Nothing of it was sent.
    Unsent(hyper::Error),
    /// The other side says that it has not looked at it.
    Refused(hyper::Error),
    /// The connection was lost; what became of the call is not known.
    Lost(hyper::Error),
    /// The other side answers that it is not available.
    Unavailable(Box<Response<ReplyBody>>),
}

impl Failure {
    pub(super) fn of(mut error: TrySendError<Request<ReplayBody>>) -> Self {
        let unsent = error.take_message().is_some();
        let error = error.into_error();
        if unsent {
            Self::Unsent(error)
        } else if is_unprocessed(&error) {
            Self::Refused(error)
        } else {
            Self::Lost(error)
        }
    }

    /// The label of what is counted.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Unsent(_) => "unsent",
            Self::Refused(_) => "refused",
            Self::Lost(_) => "lost",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// Whether a call may be sent again after it was `sends` times: always if no application has
    /// seen it, and for a while if it does no harm.
    pub(super) const fn may_repeat(&self, sends: usize, no_side_effects: bool) -> bool {
        match self {
            Self::Unsent(_) | Self::Refused(_) => sends < MAX_SENDS,
            Self::Lost(_) | Self::Unavailable(_) => no_side_effects && sends < MAX_ANSWERED,
        }
    }

    /// Whether sending it again is more work for the other side, which may have too much of it.
    pub(super) const fn is_a_load(&self) -> bool {
        !matches!(self, Self::Unsent(_))
    }
}

/// A fifth of the calls, and ten a second where there are few.
pub(super) fn budget() -> TpsBudget {
    TpsBudget::new(Duration::from_secs(10), 10, 0.2)
}

/// Whether the other side said that it did not process the stream: it refused it, or its GOAWAY
/// names an earlier stream as the last (RFC 9113, 8.7). h2 fails only later streams with a GOAWAY
/// of the other side. One that comes while the head of a call is on its way fails that call, too,
/// before any of its body is sent; no handler has its message then.
fn is_unprocessed(error: &hyper::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            return error.is_remote() && (refused || error.is_go_away());
        }
        cause = error.source();
    }
    false
}

/// Whether an answer is UNAVAILABLE and nothing else.
pub(super) fn is_unavailable(head: &HeaderMap) -> bool {
    // Without a status it is the head of an answer that has a message.
    Status::from_header_map(head).is_some_and(|status| status.code() == Code::Unavailable)
}

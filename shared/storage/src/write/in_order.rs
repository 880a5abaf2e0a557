use std::collections::VecDeque;
use std::io;
use std::num::NonZero;
use std::thread::available_parallelism;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::StoreError;

/// Pieces of work on one file at a time, at most: each holds as much of it as it needs.
const MOST: usize = 3;

/// Work on threads that may block, whose results come in the order in which it was begun. For a thread that
/// may block itself.
#[derive(Debug)]
pub(super) struct InOrder<T> {
    runtime: Handle,
    begun: VecDeque<JoinHandle<T>>,
    most: usize,
}

impl<T: Send + 'static> InOrder<T> {
    pub(super) fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            begun: VecDeque::new(),
            most: available_parallelism().map_or(1, NonZero::get).min(MOST),
        }
    }

    /// Begins one more. If there is no room for it, gives the result of the first, for which it waits.
    pub(super) fn begin(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let first = if self.begun.len() < self.most {
            None
        } else {
            self.next()?
        };
        self.begun.push_back(self.runtime.spawn_blocking(work));
        Ok(first)
    }

    /// The next result, for which it waits; none if nothing is begun.
    pub(super) fn next(&mut self) -> Result<Option<T>, StoreError> {
        let Some(first) = self.begun.pop_front() else {
            return Ok(None);
        };
        let lost = |cause| StoreError::Io(io::Error::other(cause));
        self.runtime.block_on(first).map(Some).map_err(lost)
    }
}

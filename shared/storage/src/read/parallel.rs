//! Content in parts that several threads decode. What comes of them keeps their order.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::chunks::{Chunk, Chunks, Cut};
use super::pseudonymize::Pseudonymizer;
use super::{CheckedBatch, ReadError};
use crate::StoreError;

/// Threads that decode one file at most.
const MAX_THREADS: usize = 4;

/// Takes batches; false where nobody wants more.
pub(super) type Send<'a> = &'a mut dyn FnMut(CheckedBatch) -> bool;

/// Decodes chunks, one after the other.
pub(super) trait Decode {
    /// The rows of a chunk, in one batch or several.
    fn decode(&mut self, chunk: &Chunk, send: Send<'_>) -> Result<(), ReadError>;
}

/// The way back of one chunk.
type Batches = SyncSender<Result<CheckedBatch, ReadError>>;

/// Decodes `first` and all that follows it, each thread with a decoder of its own.
pub(super) fn decode<D: Decode>(
    first: Option<Chunk>,
    chunks: &mut Chunks<impl Read, impl Cut>,
    decoder: impl Fn() -> D + Sync,
    pseudonymizer: &Pseudonymizer,
    send: Send<'_>,
) -> Result<(), ReadError> {
    let Some(first) = (match first {
        None => chunks.next()?,
        first => first,
    }) else {
        return Ok(());
    };
    if chunks.has_ended() {
        // Not worth a thread.
        return decode_one(&mut decoder(), &first, pseudonymizer, &mut |batch| match batch {
            Ok(batch) => Ok(send(batch)),
            Err(error) => Err(error),
        });
    }
    let threads = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(MAX_THREADS);
    let (work, waiting) = channel();
    let waiting = Mutex::new(waiting);
    thread::scope(|scope| {
        // Dropped with this closure, which is how the threads learn that there is no more.
        let work = work;
        for _ in 0..threads {
            scope.spawn(|| work_on(&waiting, &decoder, pseudonymizer));
        }
        let mut next = Some(first);
        let mut begun = VecDeque::new();
        let mut end = None;
        loop {
            while begun.len() <= threads && end.is_none() {
                let chunk = match next.take() {
                    None => chunks.next(),
                    first => Ok(first),
                };
                match chunk {
                    Ok(Some(chunk)) => {
                        let (batches, told) = sync_channel(1);
                        let _ = work.send((chunk, batches));
                        begun.push_back(told);
                    }
                    Ok(None) => end = Some(Ok(())),
                    // What comes before it is told first.
                    Err(error) => end = Some(Err(error)),
                }
            }
            let Some(batches) = begun.pop_front() else {
                return end.unwrap_or(Ok(()));
            };
            for batch in batches {
                if !send(batch?) {
                    return Ok(());
                }
            }
        }
    })
}

fn work_on<D: Decode>(
    waiting: &Mutex<Receiver<(Chunk, Batches)>>,
    decoder: &(impl Fn() -> D + Sync),
    pseudonymizer: &Pseudonymizer,
) {
    let mut decoder = decoder();
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((chunk, batches)) = next else { return };
        // A receiver that went away is the sign to stop.
        let mut send = |batch| Ok(batches.send(batch).is_ok());
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            decode_one(&mut decoder, &chunk, pseudonymizer, &mut send)
        }));
        let failed = match decoded {
            Ok(decoded) => decoded.err(),
            Err(_) => Some(StoreError::Io(io::Error::other("a thread that decodes was lost")).into()),
        };
        if let Some(error) = failed {
            let _ = batches.send(Err(error));
        }
    }
}

/// Nobody but the one who decodes sees what a pseudonym stands for.
fn decode_one(
    decoder: &mut impl Decode,
    chunk: &Chunk,
    pseudonymizer: &Pseudonymizer,
    send: &mut dyn FnMut(Result<CheckedBatch, ReadError>) -> Result<bool, ReadError>,
) -> Result<(), ReadError> {
    let mut failed = Ok(());
    decoder.decode(chunk, &mut |batch| {
        let sent = send(pseudonymizer.apply(batch));
        sent.unwrap_or_else(|error| {
            failed = Err(error);
            false
        })
    })?;
    failed
}

//! NDJSON: one object a line. The content is split at line ends, and several threads decode what lies
//! between, each straight into columns.

mod decoder;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::io::{self, Read};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use self::decoder::Decoder;
use super::lines::{Chunk, Chunks};
use super::{CheckedBatch, ReadError, ReadLimits};
use crate::StoreError;
use crate::schema::TableSchema;

/// Threads that decode one file at most.
const MAX_THREADS: usize = 4;
/// Names of members that are passed over and told.
const MAX_IGNORED: usize = 20;

/// The way back of one chunk.
type Batches = SyncSender<Result<CheckedBatch, ReadError>>;

/// Decodes the content; batches come in its order. Ends early where `send` says so.
pub(super) fn decode(
    content: impl Read,
    limits: ReadLimits,
    schema: &TableSchema,
    send: &mut dyn FnMut(CheckedBatch) -> bool,
) -> Result<(), ReadError> {
    let threads = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(MAX_THREADS);
    let (work, waiting) = channel();
    let waiting = Mutex::new(waiting);
    thread::scope(|scope| {
        // Dropped with this closure, which is how the threads learn that there is no more.
        let work = work;
        for _ in 0..threads {
            scope.spawn(|| work_on(&waiting, limits, schema));
        }
        let mut chunks = Chunks::new(content, limits.line_bytes);
        let mut ignored = Ignored::default();
        let mut begun = VecDeque::new();
        let mut end = None;
        loop {
            while begun.len() <= threads && end.is_none() {
                match chunks.next() {
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
                let mut batch = batch?;
                batch.ignored = ignored.new_ones(batch.ignored);
                if !send(batch) {
                    return Ok(());
                }
            }
        }
    })
}

fn work_on(waiting: &Mutex<Receiver<(Chunk, Batches)>>, limits: ReadLimits, schema: &TableSchema) {
    let mut decoder = Decoder::new(schema, limits);
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((chunk, batches)) = next else { return };
        let decoded = catch_unwind(AssertUnwindSafe(|| decoder.decode(&chunk, &batches)));
        let failed = match decoded {
            Ok(decoded) => decoded.err(),
            Err(_) => Some(StoreError::Io(io::Error::other("a thread that decodes was lost")).into()),
        };
        if let Some(error) = failed {
            let _ = batches.send(Err(error));
        }
    }
}

/// Names of members that are passed over, each told once.
#[derive(Default)]
struct Ignored(HashSet<String>);

impl Ignored {
    fn new_ones(&mut self, names: Vec<String>) -> Vec<String> {
        let is_new = |name: &String| self.0.len() < MAX_IGNORED && self.0.insert(name.clone());
        names.into_iter().filter(is_new).collect()
    }
}

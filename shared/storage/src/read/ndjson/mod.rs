//! NDJSON: one object a line, straight into columns.

mod decoder;
mod flat;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::Read;

use self::decoder::Decoder;
use super::chunks::Chunks;
use super::lines::Lines;
use super::parallel::{self, Send};
use super::pseudonymize::Pseudonymizer;
use super::{CheckedBatch, ReadError, ReadLimits};
use crate::schema::TableSchema;

/// Names of members that are passed over and told.
const MAX_IGNORED: usize = 20;

/// Decodes the content; batches come in its order. Ends early where `send` says so.
pub(super) fn decode(
    content: impl Read,
    limits: ReadLimits,
    schema: &TableSchema,
    pseudonymizer: &Pseudonymizer,
    send: Send<'_>,
) -> Result<(), ReadError> {
    let cut = Lines {
        max_line_bytes: limits.line_bytes,
    };
    let mut chunks = Chunks::new(content, cut);
    let mut ignored = Ignored::default();
    let mut send = |mut batch: CheckedBatch| {
        batch.ignored = ignored.new_ones(batch.ignored);
        send(batch)
    };
    // Patterns keep what they need at hand for each thread that has its own.
    let decoder = || Decoder::new(schema.clone(), limits);
    parallel::decode(None, &mut chunks, decoder, pseudonymizer, &mut send)
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

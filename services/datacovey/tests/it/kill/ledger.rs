//! What callers were told, in their own words: what has to be true in the end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use datacovey_proto::transfer::v1::{ExportJob, ImportJob};

use super::contents::Held;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    kills: AtomicU64,
    numbers: AtomicI64,
    pub(super) imports: Mutex<Vec<Imported>>,
    pub(super) exports: Mutex<Vec<Exported>>,
}

/// An import of which a caller was told that it has ended.
#[derive(Debug)]
pub(super) struct Imported {
    pub(super) number: i64,
    pub(super) lines: u64,
    pub(super) job: ImportJob,
    /// Whether something was killed meanwhile.
    pub(super) under_fire: bool,
}

/// An export of which a caller was told that it has ended.
#[derive(Debug)]
pub(super) struct Exported {
    pub(super) job: ExportJob,
    /// What was downloaded; none where there was nothing to download.
    pub(super) download: Option<Result<Held, String>>,
    /// Whether something was killed meanwhile.
    pub(super) under_fire: bool,
}

impl Ledger {
    pub(super) fn note_kill(&self) {
        self.kills.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn kills(&self) -> u64 {
        self.kills.load(Ordering::SeqCst)
    }

    /// Names one more import or export.
    pub(super) fn next(&self) -> i64 {
        self.numbers.fetch_add(1, Ordering::SeqCst)
    }
}

use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;

use super::UniqueLimits;

/// A value's hash, and the number of its row; ordered by both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry([u64; 3]);

impl Entry {
    const BYTES: usize = 24;

    pub(super) const fn new(hash: u128, row: u64) -> Self {
        Self([(hash >> 64) as u64, hash as u64, row])
    }

    pub(super) const fn hash(self) -> u128 {
        (self.0[0] as u128) << 64 | self.0[1] as u128
    }

    pub(super) const fn row(self) -> u64 {
        self.0[2]
    }

    fn same_hash(self, other: Self) -> bool {
        self.0[..2] == other.0[..2]
    }

    fn bytes(self) -> [[u8; 8]; 3] {
        self.0.map(u64::to_le_bytes)
    }

    fn from_bytes(bytes: &[[u8; 8]; 3]) -> Self {
        Self(bytes.map(u64::from_le_bytes))
    }
}

/// Entries are dealt to so many buckets by their hashes. A bucket of a run fits the processor's nearest cache, and one
/// of all runs the memory of a run as long as there are no more runs than buckets.
const BUCKETS: usize = 1 << 10;
/// Entries of one hash that are kept: a value that most rows have would fill the memory, and its first rows are enough
/// to tell.
const MAX_SAME: usize = 1_024;

/// Brings entries of one hash together: in runs of a fixed size, which are spilled to one file bucket by bucket.
#[derive(Debug)]
pub(super) struct Sorter {
    limits: UniqueLimits,
    /// The run in memory.
    buckets: Vec<Vec<Entry>>,
    held: usize,
    /// Nobody knows it, so that nobody can choose values that are all in one bucket.
    multiplier: u64,
    spilled: Option<Spilled>,
    entries: u64,
    /// Whether a run that was spilled has a hash twice.
    repeated: bool,
}

impl Sorter {
    pub(super) fn new(limits: UniqueLimits) -> Self {
        Self {
            limits,
            buckets: Vec::new(),
            held: 0,
            multiplier: RandomState::new().build_hasher().finish() | 1,
            spilled: None,
            entries: 0,
            repeated: false,
        }
    }

    /// Whether a hash is known to have come twice.
    pub(super) const fn is_repeated(&self) -> bool {
        self.repeated
    }

    /// Whether there are more entries than may be.
    pub(super) const fn is_full(&self) -> bool {
        self.entries > self.limits.max_rows
    }

    /// The hashes that were added, unless some were spilled.
    pub(super) fn in_memory(&self) -> Option<impl Iterator<Item = u128> + '_> {
        let entries = self.buckets.iter().flatten();
        self.spilled.is_none().then(|| entries.map(|entry| entry.hash()))
    }

    pub(super) fn extend(&mut self, entries: impl Iterator<Item = Entry>) -> io::Result<()> {
        self.buckets.resize_with(BUCKETS, Vec::new);
        for entry in entries {
            let bucket = self.bucket(entry);
            self.buckets[bucket].push(entry);
            self.entries += 1;
            self.held += 1;
            if self.held >= self.limits.run_rows {
                self.spill()?;
            }
        }
        Ok(())
    }

    fn bucket(&self, Entry([high, low, _]): Entry) -> usize {
        let mixed = (high ^ low).wrapping_mul(self.multiplier);
        (mixed >> (u64::BITS - BUCKETS.trailing_zeros())) as usize
    }

    fn spill(&mut self) -> io::Result<()> {
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            // Without a name it is gone with its handle, whatever ends the process.
            spilled => spilled.insert(Spilled {
                file: tempfile::tempfile_in(&self.limits.spill_folder)?,
                end: 0,
                next: Vec::new(),
            }),
        };
        for bucket in &mut self.buckets {
            bucket.sort_unstable();
            self.repeated |= bucket.windows(2).any(|pair| pair[0].same_hash(pair[1]));
            let mut same = 0;
            let mut last = None;
            bucket.retain(|entry| {
                same = if last.replace(*entry).is_some_and(|it| it.same_hash(*entry)) {
                    same + 1
                } else {
                    1
                };
                same <= MAX_SAME
            });
        }
        spilled.add(&self.buckets)?;
        self.buckets.iter_mut().for_each(Vec::clear);
        self.held = 0;
        Ok(())
    }

    /// Calls `repeated` with the entries of each hash that comes more than once, until it says no.
    pub(super) fn finish(mut self, mut repeated: impl FnMut(&[Entry]) -> bool) -> io::Result<()> {
        for mut bucket in std::mem::take(&mut self.buckets) {
            if let Some(spilled) = &mut self.spilled {
                spilled.take(&mut bucket)?;
            }
            bucket.sort_unstable();
            for same in bucket.chunk_by(|one, other| one.same_hash(*other)) {
                if same.len() > 1 && !repeated(&same[..same.len().min(MAX_SAME)]) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Runs on disk, one behind the other: of each bucket the number of its entries, and then these.
#[derive(Debug)]
struct Spilled {
    file: File,
    end: u64,
    /// Of each run where the first bucket that was not taken begins.
    next: Vec<u64>,
}

impl Spilled {
    fn add(&mut self, buckets: &[Vec<Entry>]) -> io::Result<()> {
        let mut out = BufWriter::new(&self.file);
        self.next.push(self.end);
        for bucket in buckets {
            out.write_all(&(bucket.len() as u64).to_le_bytes())?;
            for entry in bucket {
                out.write_all(entry.bytes().as_flattened())?;
            }
            self.end += (size_of::<u64>() + bucket.len() * Entry::BYTES) as u64;
        }
        out.flush()
    }

    /// Adds the entries of the next bucket.
    fn take(&mut self, entries: &mut Vec<Entry>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for next in &mut self.next {
            let mut length = [0; size_of::<u64>()];
            self.file.read_exact_at(&mut length, *next)?;
            let length = usize::try_from(u64::from_le_bytes(length)).map_err(io::Error::other)?;
            *next += size_of::<u64>() as u64;
            bytes.resize(length * Entry::BYTES, 0);
            self.file.read_exact_at(&mut bytes, *next)?;
            *next += bytes.len() as u64;
            let (parts, _) = bytes.as_chunks::<8>();
            let (parts, _) = parts.as_chunks::<3>();
            entries.extend(parts.iter().map(Entry::from_bytes));
        }
        Ok(())
    }
}

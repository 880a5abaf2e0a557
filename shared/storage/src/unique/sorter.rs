use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::ops::Range;
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
}

/// Sorts entries in runs of a fixed size, which are spilled to one file.
#[derive(Debug)]
pub(super) struct Sorter {
    limits: UniqueLimits,
    run: Vec<Entry>,
    /// Where the runs are spilled, one behind the other, and where each ends.
    spilled: Option<File>,
    ends: Vec<u64>,
    entries: u64,
    /// Whether a run that was spilled has a hash twice.
    repeated: bool,
}

impl Sorter {
    pub(super) const fn new(limits: UniqueLimits) -> Self {
        Self {
            limits,
            run: Vec::new(),
            spilled: None,
            ends: Vec::new(),
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
        self.spilled
            .is_none()
            .then(|| self.run.iter().map(|entry| entry.hash()))
    }

    pub(super) fn extend(&mut self, entries: impl Iterator<Item = Entry>) -> io::Result<()> {
        for entry in entries {
            self.entries += 1;
            self.run.push(entry);
            if self.run.len() >= self.limits.run_rows {
                self.spill()?;
            }
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.run.sort_unstable();
        self.repeated |= self.run.windows(2).any(|pair| pair[0].same_hash(pair[1]));
        let file = match self.spilled.take() {
            Some(file) => file,
            // Without a name it is gone with its handle, whatever ends the process.
            None => tempfile::tempfile_in(&self.limits.spill_folder)?,
        };
        let mut out = BufWriter::new(self.spilled.insert(file));
        for entry in &self.run {
            for part in entry.0 {
                out.write_all(&part.to_le_bytes())?;
            }
        }
        out.flush()?;
        let begin = self.ends.last().copied().unwrap_or(0);
        self.ends.push(begin + (self.run.len() * Entry::BYTES) as u64);
        self.run.clear();
        Ok(())
    }

    /// Calls `repeated` with all entries of each hash that comes more than once, until it says no.
    pub(super) fn finish(mut self, mut repeated: impl FnMut(&[Entry]) -> bool) -> io::Result<()> {
        if self.spilled.is_none() {
            self.run.sort_unstable();
            for same in self.run.chunk_by(|one, other| one.same_hash(*other)) {
                if same.len() > 1 && !repeated(same) {
                    break;
                }
            }
            return Ok(());
        }
        self.spill()?;
        let Some(file) = self.spilled else {
            return Ok(());
        };
        // All runs together take what one of them took.
        let ahead = (self.limits.run_rows / self.ends.len()).max(MIN_AHEAD);
        let mut begin = 0;
        let mut runs: Vec<Run<'_>> = Vec::with_capacity(self.ends.len());
        for end in self.ends {
            runs.push(Run::new(&file, begin..end, ahead));
            begin = end;
        }
        let mut heads = BinaryHeap::new();
        for (index, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next()?.map(|entry| Reverse((entry, index))));
        }
        let mut same: Vec<Entry> = Vec::new();
        while let Some(Reverse((entry, index))) = heads.pop() {
            if same.last().is_some_and(|last| !last.same_hash(entry)) {
                if same.len() > 1 && !repeated(&same) {
                    return Ok(());
                }
                same.clear();
            }
            // A value that most rows have would fill the memory: the first rows are enough to tell.
            if same.len() < MAX_SAME {
                same.push(entry);
            }
            heads.extend(runs[index].next()?.map(|entry| Reverse((entry, index))));
        }
        if same.len() > 1 {
            repeated(&same);
        }
        Ok(())
    }
}

/// Entries of a run that are read at a time at least.
const MIN_AHEAD: usize = 256;
/// Entries of one hash that are kept.
const MAX_SAME: usize = 1_024;

/// A run on disk, read a part at a time.
struct Run<'a> {
    file: &'a File,
    left: Range<u64>,
    ahead: usize,
    /// The next entries, the first one last.
    entries: Vec<Entry>,
}

impl<'a> Run<'a> {
    const fn new(file: &'a File, bytes: Range<u64>, ahead: usize) -> Self {
        Self {
            file,
            left: bytes,
            ahead,
            entries: Vec::new(),
        }
    }

    fn next(&mut self) -> io::Result<Option<Entry>> {
        if self.entries.is_empty() && !self.left.is_empty() {
            let length = (self.left.end - self.left.start).min((self.ahead * Entry::BYTES) as u64);
            let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            self.file.read_exact_at(&mut bytes, self.left.start)?;
            self.left.start += length;
            let (parts, _) = bytes.as_chunks::<8>();
            let (entries, _) = parts.as_chunks::<3>();
            let entry = |parts: &[[u8; 8]; 3]| Entry(parts.map(u64::from_le_bytes));
            self.entries.extend(entries.iter().rev().map(entry));
        }
        Ok(self.entries.pop())
    }
}

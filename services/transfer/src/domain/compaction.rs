//! Which small files of a table go into one.

/// What one compaction takes at most.
const MOST_FILES: usize = 1_000;
const MOST_BYTES: u64 = 1 << 30;

/// The places of files worth merging, in their order; none where no two are alike enough.
///
/// Files are taken that are no larger than all smaller ones taken together: so each row is written again only
/// when its file has about doubled, and a table to which little is added often is rewritten a few times, not
/// with each addition.
pub(crate) fn worth_merging(bytes: &[u64]) -> Vec<usize> {
    let mut by_size: Vec<usize> = (0..bytes.len()).collect();
    by_size.sort_by_key(|at| bytes[*at]);
    let mut runs: Vec<Vec<usize>> = Vec::new();
    let mut together = 0_u64;
    for at in by_size {
        match runs.last_mut() {
            // Two files are begun with, however different.
            Some(run) if run.len() < 2 || bytes[at] <= together => run.push(at),
            _ => {
                runs.push(vec![at]);
                together = 0;
            }
        }
        together = together.saturating_add(bytes[at]);
    }
    let Some(mut longest) = runs.into_iter().max_by_key(Vec::len).filter(|run| run.len() > 1) else {
        return Vec::new();
    };
    let mut taken = 0_u64;
    let fit = longest.iter().take(MOST_FILES).take_while(|at| {
        taken = taken.saturating_add(bytes[**at]);
        taken <= MOST_BYTES
    });
    let fit = fit.count();
    longest.truncate(fit);
    longest.sort_unstable();
    if longest.len() > 1 { longest } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_files_go_into_one_and_a_large_one_stays() {
        assert_eq!(worth_merging(&[5, 5, 5_000, 5, 5]), [0, 1, 3, 4]);
        assert_eq!(worth_merging(&[5]), Vec::<usize>::new());
        assert_eq!(worth_merging(&[]), Vec::<usize>::new());
    }

    #[test]
    fn a_run_of_larger_ones_counts_where_it_is_longer() {
        let mut bytes = vec![1_000; 30];
        bytes.extend([1, 1, 2]);
        assert_eq!(worth_merging(&bytes), (0..30).collect::<Vec<_>>());
    }

    #[test]
    fn one_compaction_is_bounded() {
        assert_eq!(worth_merging(&vec![1; 5_000]).len(), MOST_FILES);
        assert_eq!(worth_merging(&vec![30 << 20; 500]).len(), 34);
    }

    /// A file added at a time and a compaction at each thirty-two: bytes are written again a few times.
    #[test]
    fn what_is_added_bit_by_bit_is_written_again_a_few_times() {
        let (mut files, mut written) = (Vec::new(), 0);
        for _ in 0..10_000 {
            files.extend([1_000_u64]);
            while files.len() >= 32 {
                let taken = worth_merging(&files);
                let merged: u64 = taken.iter().map(|at| files[*at]).sum();
                for at in taken.iter().rev() {
                    files.remove(*at);
                }
                files.push(merged);
                written += merged;
            }
        }
        assert!(written < 10 * 10_000 * 1_000, "{written} bytes");
    }
}

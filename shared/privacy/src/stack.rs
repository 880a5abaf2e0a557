//! Work that recurses over a statement or a plan.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the largest statement within the limits needs, several times over.
const STACK_BYTES: usize = 64 << 20;

/// Does the work on a large stack; nothing if it panicked.
pub fn deep<T>(work: impl FnOnce() -> T) -> Option<T> {
    // What a panic leaves behind is dropped with the work: it shares nothing that it could leave half done.
    catch_unwind(AssertUnwindSafe(|| stacker::grow(STACK_BYTES, work))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_stays_where_it_is() {
        assert_eq!(deep(|| 1), Some(1));
        assert_eq!(deep::<()>(|| panic!("a bug of the planner")), None);
    }
}

//! Work that recurses over a statement or a plan.

/// What the largest statement within the limits needs, several times over.
const STACK_BYTES: usize = 64 << 20;

/// Does the work on a thread of its own with a large stack; nothing if it panicked, or there is no thread.
pub fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, work).ok()?.join().ok()
    })
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

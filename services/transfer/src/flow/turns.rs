use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

/// Imports of this process into one table take turns to prove that values are unique and to commit: of two at
/// once, the later one would have to prove it anew. Those of other processes are told apart by the database.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<Uuid, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for the turn, which lasts until what is given is dropped. First come, first served.
    pub(super) async fn take(&self, table_id: Uuid) -> OwnedMutexGuard<()> {
        self.turn(table_id).lock_owned().await
    }

    fn turn(&self, table_id: Uuid) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(&table_id).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(table_id, Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_table_has_one_turn_at_a_time_and_is_forgotten_after_the_last() {
        let turns = Turns::default();
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let first = turns.take(one).await;
        let mut second = Box::pin(turns.take(one));
        assert!((&mut second).now_or_never().is_none());
        drop(turns.take(other).now_or_never().unwrap());
        drop(first);
        drop(second.now_or_never().unwrap());
        drop(turns.take(other).await);
        assert!(turns.0.lock().unwrap().keys().all(|table| *table == other));
    }
}

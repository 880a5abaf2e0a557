use uuid::Uuid;

/// A new id: UUIDv7, so that ids sort by creation and indexes grow at one end.
#[must_use]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

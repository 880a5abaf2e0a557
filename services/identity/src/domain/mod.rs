//! Rules as pure functions.

pub(crate) mod text;

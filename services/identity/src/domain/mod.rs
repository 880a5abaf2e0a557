//! Rules as pure functions.

mod rules;
pub(crate) mod text;

pub(crate) use rules::Rules;

//! The policy of a table between its message and the compiler's type, one file each way.
//!
//! Reading an answer back gives the policy that was answered: a test keeps it so.

mod parse;
mod reply;

pub(crate) use parse::parse;
pub(crate) use reply::reply;

#[cfg(test)]
mod tests;

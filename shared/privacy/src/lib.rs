//! The privacy compiler: from SQL to a plan whose result may leave, or to every reason why there is none.
//!
//! A clean-room query reads rows of several tenants. What may leave is decided by the policies of the tables' owners,
//! not from the text but from the relational plan: every node is typed *open* (the caller's own, or nobody's),
//! *restricted* (each row belongs to protected individuals) or *released*, and every column of a restricted node knows
//! from which columns it descends, through data and through what decided that its row is there. What has no typing
//! rule is refused.
//!
//! ```text
//! text ─ gate ─► syntax tree ─ plan ─► plan in normal form ─ typing ─┬─► violations, all of them
//!                                                                     └─► releases + plan above them
//! release: engine plan (plain algebra) ─ engine ─► groups with unit counts ─ Release::apply ─► released rows
//! result:  plan above, over released rows and the caller's own tables
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`policy`] | a table's policy as types, and its contradictions |
//! | `catalog` | the tables that a caller may name, as a snapshot |
//! | `gate` | what a statement may be made of; refuses every clause that the planner would drop |
//! | `plan` | planning, and the one normal form that the types are written for |
//! | `typing` | the rule of each node, and the rewrite of restricted ones |
//! | `release` | the two-level rewrite, thresholds, and the values that leave |
//! | `parameter` | values that stand beside the text |
//! | `ids` | ids in place of identities, where only equality counts |
//! | `total` | what can be evaluated without failing on a row |
//! | `stack` | room for what recurses |
//! | `bind` | real tables in place of the plan's scans |
//!
//! The crate reads and writes nothing. Its rule: a query that is not understood is refused, never passed; and a
//! refusal depends on the statement, the schemas and the policies alone.
//!
//! What thresholds do not stop is said in the project's README: a caller that knows all members of a group but one,
//! or that asks many overlapping questions, needs noise or a ledger to be stopped.

mod bind;
mod catalog;
mod compile;
mod gate;
mod ids;
mod limits;
mod parameter;
mod plan;
pub mod policy;
mod release;
mod stack;
mod total;
mod typing;
mod violation;

pub use bind::{BindError, bind, scans};
pub use catalog::{Catalog, CatalogColumn, CatalogTable};
pub use compile::{Compiled, EffectiveThreshold, TableUse, compile};
pub use ids::{ID_TYPE, id_column};
pub use limits::Limits;
pub use parameter::{Parameter, Parameters, parameters_from_json};
pub use plan::ScanKey;
pub use policy::{Policy, PolicyViolation};
pub use release::{Release, ReleaseError};
pub use stack::deep;
pub use violation::{Position, Violation, ViolationCode};

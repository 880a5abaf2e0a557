//! How large a statement may be.
//!
//! Parser, planner and optimizer recurse over the statement, so its size is bounded before they see it: a hostile
//! text is answered, and never exhausts the stack or the time of a thread that other callers share.

/// Bounds on one statement. All are checked before planning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Length of the text in bytes.
    pub text_bytes: usize,
    /// Number of tokens, white space aside.
    pub tokens: usize,
    /// Nesting of queries, parentheses, function calls and chains of operators.
    pub depth: usize,
    /// Tables and subqueries that the statement names, all levels together.
    pub relations: usize,
    /// Nodes of the plan. Named subqueries are planned once for each use, so few tokens can make many nodes.
    pub plan_nodes: usize,
    /// Aggregates in one release.
    pub values_per_release: usize,
    /// Releases in one statement.
    pub releases: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes: 64 * 1024,
            tokens: 4_000,
            depth: 60,
            relations: 32,
            plan_nodes: 400,
            values_per_release: 24,
            releases: 8,
        }
    }
}

//! What identifies a question: to the owners who approve it, and to the cache of its answers.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A table as a question reads it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AskedTable {
    pub id: Uuid,
    /// The version of its policy; none for the analyst's own.
    pub policy_version: Option<i64>,
    /// Names, types and identities of its columns.
    pub columns: Vec<Value>,
    /// The version of its rows.
    pub content_version: i64,
}

/// Stands for all that an approval binds: the exact text, the statement that it was understood as, the project, and
/// the tables with their columns and the versions of their policies. Their rows may change.
#[must_use]
pub(crate) fn question(project_id: Uuid, text: &str, statement: &str, tables: &[AskedTable]) -> String {
    let tables: Vec<Value> = tables
        .iter()
        .map(|it| json!([it.id, it.policy_version, it.columns]))
        .collect();
    digest(&json!(["question", project_id, text, statement, tables]))
}

/// Stands for all that an answer depends on: who asks, the statement as it was understood, what becomes of it, and
/// the tables with their rows, columns and the versions of their policies.
#[must_use]
pub(crate) fn cache_key(analyst: Uuid, statement: &str, plans: &[String], tables: &[AskedTable]) -> String {
    let tables: Vec<Value> = tables
        .iter()
        .map(|it| json!([it.id, it.policy_version, it.columns, it.content_version]))
        .collect();
    let program = env!("CARGO_PKG_VERSION");
    digest(&json!(["answer", program, analyst, statement, plans, tables]))
}

fn digest(of: &Value) -> String {
    hex::encode(Sha256::digest(of.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> AskedTable {
        AskedTable {
            id: Uuid::from_u128(1),
            policy_version: Some(1),
            columns: vec![json!(["n", "Int64"])],
            content_version: 1,
        }
    }

    #[test]
    fn whatever_changes_is_another_question() {
        let asked = |text: &str, table: AskedTable| question(Uuid::nil(), text, text.trim(), &[table]);
        let changes: [fn(&mut AskedTable); 3] = [
            |it| it.id = Uuid::from_u128(2),
            |it| it.policy_version = Some(2),
            |it| it.columns.push(json!(["m", "Int64"])),
        ];
        let mut seen = vec![asked("SELECT 1", table()), asked("SELECT  1", table())];
        for change in changes {
            let mut changed = table();
            change(&mut changed);
            seen.push(asked("SELECT 1", changed));
        }
        let all = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), all);
        let mut later = table();
        later.content_version = 2;
        assert_eq!(asked("SELECT 1", later), asked("SELECT 1", table()));
    }

    #[test]
    fn an_answer_is_of_one_tenant_and_one_content() {
        let key = |analyst, version| {
            let mut table = table();
            table.content_version = version;
            cache_key(Uuid::from_u128(analyst), "SELECT 1", &[], &[table])
        };
        assert_eq!(key(1, 1), key(1, 1));
        assert_ne!(key(1, 1), key(2, 1));
        assert_ne!(key(1, 1), key(1, 2));
    }
}

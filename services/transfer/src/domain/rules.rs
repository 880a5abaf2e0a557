use datacovey_auth::authorize;
use datacovey_error::{Error, Violations};
use datacovey_persistence::{Change, RowRules};
use datacovey_rest::Relation;
use datacovey_types::{Ctx, Permission};
use serde_json::Value;

/// Jobs are read as rows and not written: ImportService and ExportService make and cancel them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules;

impl RowRules for Rules {
    fn authorize(&self, ctx: &Ctx, relation: &Relation, _: Change) -> Result<(), Error> {
        if relation.history_of().is_some() {
            return authorize(ctx, Permission::Backfill);
        }
        Err(Error::not_implemented(format!(
            "writing {} as rows",
            relation.name
        )))
    }

    fn check(&self, _: &Relation, _: Option<&Value>, _: &Value, _: &mut Violations) {}
}

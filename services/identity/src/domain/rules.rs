use datacovey_auth::authorize;
use datacovey_error::{Error, Violations};
use datacovey_persistence::{Change, RowRules};
use datacovey_rest::Relation;
use datacovey_rows::check_texts;
use datacovey_types::{Ctx, Permission, Role};
use serde_json::Value;

use super::text;

/// What tenants and users must be where they are written as rows: what the calls of gRPC hold them to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules;

impl RowRules for Rules {
    fn authorize(&self, ctx: &Ctx, relation: &Relation, change: Change) -> Result<(), Error> {
        let permission = match (relation.name.as_str(), change) {
            // What of it is the platform's alone, the database knows.
            ("tenant", Change::Update) | ("user", _) => Permission::ManageUsers,
            _ => Permission::ManageTenants,
        };
        authorize(ctx, permission)
    }

    fn check(&self, relation: &Relation, before: Option<&Value>, after: &Value, violations: &mut Violations) {
        if relation.name == "tenant" {
            let rules = [
                ("name", text::display_name as _),
                ("auth0_org_id", text::external_id as _),
            ];
            check_texts(&rules, before, after, violations);
        } else {
            let rules = [
                ("auth0_id", text::external_id as _),
                ("email", text::email as _),
                ("name", text::display_name as _),
                ("role", role as _),
            ];
            check_texts(&rules, before, after, violations);
        }
    }
}

fn role(given: &str) -> Result<String, String> {
    match given.parse::<Role>() {
        Ok(role) => Ok(role.to_string()),
        Err(_) => Err("is none of the roles Org admin, Dataset editor and Dataset user".to_owned()),
    }
}

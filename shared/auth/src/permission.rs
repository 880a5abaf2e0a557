use datacovey_error::Error;
use datacovey_types::{Ctx, Permission, Role, Scope};

/// Who holds a permission: these roles, and whoever's token carries the scope.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub permission: Permission,
    pub org_admin: bool,
    pub dataset_editor: bool,
    pub dataset_user: bool,
    pub scope: Option<Scope>,
    /// What the permission allows, as in "may not …".
    pub what: &'static str,
}

/// The whole table, a row for each permission.
#[rustfmt::skip]
pub const PERMISSIONS: [Rule; Permission::ALL.len()] = {
    use Permission::{
        Backfill, EditDatasets, Export, ManageProjects, ManageTenants, ManageUsers, Query, Read,
    };
    const YES: bool = true;
    const NO: bool = false;
    const PLATFORM: Option<Scope> = Some(Scope::Platform);
    const BACKFILL: Option<Scope> = Some(Scope::Backfill);
    [
        //               Org admin, Dataset editor, Dataset user, or the scope
        rule(Read,            YES,  YES,            YES,          None,     "read"),
        rule(Query,           YES,  YES,            YES,          None,     "write and run queries"),
        rule(EditDatasets,    YES,  YES,            NO,           None,     "change datasets, tables and policies, or import"),
        rule(Export,          YES,  YES,            NO,           None,     "export tables"),
        rule(ManageProjects,  YES,  NO,             NO,           None,     "manage projects, their participants and approvals"),
        rule(ManageUsers,     YES,  NO,             NO,           PLATFORM, "manage users, or change their tenant"),
        rule(ManageTenants,   NO,   NO,             NO,           PLATFORM, "manage tenants"),
        rule(Backfill,        NO,   NO,             NO,           BACKFILL, "write jobs and history as plain data"),
    ]
};

const fn rule(
    permission: Permission,
    org_admin: bool,
    dataset_editor: bool,
    dataset_user: bool,
    scope: Option<Scope>,
    what: &'static str,
) -> Rule {
    Rule {
        permission,
        org_admin,
        dataset_editor,
        dataset_user,
        scope,
        what,
    }
}

impl Rule {
    /// The rule of a permission.
    #[must_use]
    pub fn of(permission: Permission) -> Option<&'static Self> {
        PERMISSIONS.iter().find(|rule| rule.permission == permission)
    }

    #[must_use]
    pub const fn holds_for(&self, role: Role) -> bool {
        match role {
            Role::OrgAdmin => self.org_admin,
            Role::DatasetEditor => self.dataset_editor,
            Role::DatasetUser => self.dataset_user,
        }
    }

    /// Who may, for people: `the role "Org admin" or the scope "platform"`.
    fn holders(&self) -> String {
        let roles = Role::ALL.into_iter().filter(|role| self.holds_for(*role));
        let roles = roles.map(|role| format!("the role \"{role}\""));
        let scope = self.scope.map(|scope| match scope {
            Scope::Platform => "the scope \"platform\"".to_owned(),
            Scope::Backfill => "the scope \"backfill\"".to_owned(),
        });
        roles.chain(scope).collect::<Vec<_>>().join(" or ")
    }
}

/// Refuses, with PERMISSION_DENIED, a caller whose role and scopes do not give the permission.
///
/// It says what a caller may do at all; what it may do it *to* is decided by row-level security.
pub fn authorize(ctx: &Ctx, permission: Permission) -> Result<(), Error> {
    let principal = &ctx.principal;
    // A permission without a row is held by nobody.
    let Some(rule) = Rule::of(permission) else {
        return Err(Error::permission_denied("nobody may do this"));
    };
    let by_scope = rule.scope.is_some_and(|scope| principal.scopes.contains(scope));
    if rule.holds_for(principal.role) || by_scope {
        return Ok(());
    }
    Err(Error::permission_denied(format!(
        "a caller with the role \"{}\" may not {}; that takes {}",
        principal.role,
        rule.what,
        rule.holders()
    )))
}

#[cfg(test)]
mod tests {
    use datacovey_types::{Principal, Scopes, new_id};

    use super::*;

    fn ctx(role: Role, scopes: &str) -> Ctx {
        let principal = Principal {
            tenant_id: new_id(),
            user_id: new_id(),
            role,
            scopes: Scopes::from(scopes),
        };
        Ctx::from_request(principal, "test", None)
    }

    /// The table as it is enforced, to be read by people when it changes.
    const TABLE: &str = "\
permission       Org admin      Dataset editor Dataset user   +platform      +backfill
Read             yes            yes            yes            yes            yes
Query            yes            yes            yes            yes            yes
EditDatasets     yes            yes            -              -              -
Export           yes            yes            -              -              -
ManageProjects   yes            -              -              -              -
ManageUsers      yes            -              -              yes            -
ManageTenants    -              -              -              yes            -
Backfill         -              -              -              -              yes
";

    #[test]
    fn the_table_is_what_was_agreed() {
        // The scopes are shown on top of the weakest role.
        let callers = [
            ("Org admin", ctx(Role::OrgAdmin, "")),
            ("Dataset editor", ctx(Role::DatasetEditor, "")),
            ("Dataset user", ctx(Role::DatasetUser, "")),
            ("+platform", ctx(Role::DatasetUser, "platform")),
            ("+backfill", ctx(Role::DatasetUser, "backfill")),
        ];
        let mut table = format!("{:17}", "permission");
        let line = |cells: Vec<&str>| cells.iter().map(|it| format!("{it:15}")).collect::<String>();
        table += line(callers.iter().map(|(name, _)| *name).collect()).trim_end();
        table.push('\n');
        for permission in Permission::ALL {
            let cells = callers
                .iter()
                .map(|(_, ctx)| {
                    if authorize(ctx, permission).is_ok() {
                        "yes"
                    } else {
                        "-"
                    }
                })
                .collect();
            table += format!("{:17}{}", format!("{permission:?}"), line(cells)).trim_end();
            table.push('\n');
        }
        assert_eq!(table, TABLE);
    }

    #[test]
    fn a_refusal_says_what_it_takes() {
        let error = authorize(&ctx(Role::DatasetUser, ""), Permission::ManageUsers).unwrap_err();
        assert_eq!(
            error.message(),
            "a caller with the role \"Dataset user\" may not manage users, or change their tenant; \
             that takes the role \"Org admin\" or the scope \"platform\""
        );
        assert_eq!(error.reason_name(), "PERMISSION_DENIED");
    }
}

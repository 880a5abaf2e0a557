use datacovey_error::Violations;
use datacovey_proto::identity::v1::UserRole;
use datacovey_types::Role;

/// A required role; notes what is wrong with it.
pub(super) fn parse(field: &str, given: i32, violations: &mut Violations) -> Option<Role> {
    match UserRole::try_from(given) {
        Ok(UserRole::OrgAdmin) => Some(Role::OrgAdmin),
        Ok(UserRole::DatasetEditor) => Some(Role::DatasetEditor),
        Ok(UserRole::DatasetUser) => Some(Role::DatasetUser),
        Ok(UserRole::Unspecified) => {
            violations.add(field, "is required: Org admin, Dataset editor or Dataset user");
            None
        }
        Err(_) => {
            violations.add(
                field,
                "is none of the roles Org admin, Dataset editor and Dataset user",
            );
            None
        }
    }
}

pub(super) const fn reply(role: Role) -> UserRole {
    match role {
        Role::OrgAdmin => UserRole::OrgAdmin,
        Role::DatasetEditor => UserRole::DatasetEditor,
        Role::DatasetUser => UserRole::DatasetUser,
    }
}

//! Every method of the service, as the descriptor lists them: a new one without a case fails here.

use datacovey_proto::DESCRIPTORS;
use prost::Message as _;
use prost_types::FileDescriptorSet;

use crate::suite::Suite;

/// Methods, and what an empty request is answered for an anonymous caller, user, admin and
/// platform: who may not call learns that before anything of the request is looked at.
const METHODS: &str = "\
datacovey.identity.v1.TenantService/ArchiveTenant               Unauthenticated PermissionDenied PermissionDenied InvalidArgument
datacovey.identity.v1.TenantService/CreateTenant                Unauthenticated PermissionDenied PermissionDenied InvalidArgument
datacovey.identity.v1.TenantService/DeleteTenant                Unauthenticated PermissionDenied PermissionDenied InvalidArgument
datacovey.identity.v1.TenantService/GetTenant                   Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.identity.v1.TenantService/ListTenants                 Unauthenticated Ok               Ok               Ok
datacovey.identity.v1.TenantService/RestoreTenant               Unauthenticated PermissionDenied PermissionDenied InvalidArgument
datacovey.identity.v1.TenantService/UpdateTenant                Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.identity.v1.UserService/ArchiveUser                   Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.identity.v1.UserService/CreateUser                    Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.identity.v1.UserService/DeleteUser                    Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.identity.v1.UserService/GetUser                       Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.identity.v1.UserService/ListUsers                     Unauthenticated Ok               Ok               Ok
datacovey.identity.v1.UserService/RestoreUser                   Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.identity.v1.UserService/UpdateUser                    Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.identity.v1.UserService/WhoAmI                        Unauthenticated Ok               Ok               Ok
datacovey.internal.identity.v1.PrincipalService/ResolvePrincipal Unauthenticated PermissionDenied PermissionDenied PermissionDenied
";

fn methods() -> Vec<String> {
    let descriptors = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let files = descriptors
        .file
        .iter()
        .filter(|file| file.package().ends_with("identity.v1"));
    let services = files.flat_map(|file| file.service.iter().map(move |service| (file.package(), service)));
    let mut methods: Vec<_> = services
        .flat_map(|(package, service)| {
            service
                .method
                .iter()
                .map(move |it| format!("{package}.{}/{}", service.name(), it.name()))
        })
        .collect();
    methods.sort();
    methods
}

#[tokio::test]
async fn every_method_knows_its_callers() {
    let suite = Suite::start().await;
    let callers = [
        suite.anonymous(),
        suite.as_user(),
        suite.as_admin(),
        suite.as_platform(),
    ];
    let mut table = Vec::new();
    for method in methods() {
        let mut line = method.clone();
        for caller in &callers {
            let answer = caller.call_empty(&method).await;
            let code = answer
                .err()
                .map_or("Ok".to_owned(), |status| format!("{:?}", status.code()));
            line = format!("{line} {code}");
        }
        table.push(line);
    }
    let expected = METHODS
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    assert_eq!(table, expected.collect::<Vec<_>>());
}

//! Every method of the catalog, as the descriptor lists them: a new one without a case fails here.

use std::collections::BTreeMap;

use datacovey_proto::DESCRIPTORS;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Code;

use crate::suite::{Caller, Suite};

/// Methods, and what an empty request is answered for anonymous, user, editor and admin: who may not
/// call learns that before anything of the request is looked at.
const METHODS: &str = "\
datacovey.catalog.v1.DatasetService/ArchiveDataset                 - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.catalog.v1.DatasetService/CreateDataset                  - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.catalog.v1.DatasetService/DeleteDataset                  - Unauthenticated  PermissionDenied InvalidArgument  InvalidArgument
datacovey.catalog.v1.DatasetService/GetDataset                     - Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.catalog.v1.DatasetService/ListDatasetHistory             - Unauthenticated  InvalidArgument  InvalidArgument  InvalidArgument
datacovey.catalog.v1.DatasetService/ListDatasets                   - Unauthenticated Ok               Ok               Ok
datacovey.catalog.v1.DatasetService/RestoreDataset                 - Unauthenticated  PermissionDenied InvalidArgument  InvalidArgument
datacovey.catalog.v1.DatasetService/UpdateDataset                  - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.catalog.v1.ProjectService/AcceptInvitation               - Unauthenticated PermissionDenied PermissionDenied InvalidArgument
datacovey.catalog.v1.ProjectService/ArchiveProject                 - Unauthenticated PermissionDenied PermissionDenied InvalidArgument
datacovey.catalog.v1.ProjectService/CreateProject                  - Unauthenticated PermissionDenied PermissionDenied InvalidArgument
datacovey.catalog.v1.ProjectService/DeclineInvitation              - Unauthenticated PermissionDenied PermissionDenied InvalidArgument
datacovey.catalog.v1.ProjectService/DeleteProject                  - Unauthenticated  PermissionDenied PermissionDenied InvalidArgument
datacovey.catalog.v1.ProjectService/GetProject                     - Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.catalog.v1.ProjectService/InviteParticipant              - Unauthenticated PermissionDenied PermissionDenied InvalidArgument
datacovey.catalog.v1.ProjectService/LeaveProject                   - Unauthenticated PermissionDenied PermissionDenied InvalidArgument
datacovey.catalog.v1.ProjectService/ListInvitations                - Unauthenticated PermissionDenied PermissionDenied Ok
datacovey.catalog.v1.ProjectService/ListParticipants               - Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.catalog.v1.ProjectService/ListProjects                   - Unauthenticated Ok               Ok               Ok
datacovey.catalog.v1.ProjectService/RemoveParticipant              - Unauthenticated PermissionDenied PermissionDenied InvalidArgument
datacovey.catalog.v1.ProjectService/RestoreProject                 - Unauthenticated  PermissionDenied PermissionDenied InvalidArgument
datacovey.catalog.v1.ProjectService/UpdateParticipant              - Unauthenticated PermissionDenied PermissionDenied InvalidArgument
datacovey.catalog.v1.ProjectService/UpdateProject                  - Unauthenticated PermissionDenied PermissionDenied InvalidArgument
datacovey.catalog.v1.TableService/ArchiveTable                     - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.catalog.v1.TableService/CreateTable                      - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.catalog.v1.TableService/DeleteTable                      - Unauthenticated  PermissionDenied InvalidArgument  InvalidArgument
datacovey.catalog.v1.TableService/GetTable                         - Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.catalog.v1.TableService/GetTablePolicy                   - Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.catalog.v1.TableService/ListTableHistory                 - Unauthenticated  InvalidArgument  InvalidArgument  InvalidArgument
datacovey.catalog.v1.TableService/ListTablePolicyVersions          - Unauthenticated  InvalidArgument  InvalidArgument  InvalidArgument
datacovey.catalog.v1.TableService/ListTables                       - Unauthenticated Ok               Ok               Ok
datacovey.catalog.v1.TableService/RestoreTable                     - Unauthenticated  PermissionDenied InvalidArgument  InvalidArgument
datacovey.catalog.v1.TableService/SetTablePolicy                   - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.catalog.v1.TableService/UpdateTable                      - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
";

fn methods() -> Vec<String> {
    let descriptors = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let mut methods: Vec<_> = descriptors
        .file
        .iter()
        .filter(|file| file.package() == "datacovey.catalog.v1")
        .flat_map(|file| file.service.iter().map(move |service| (file.package(), service)))
        .flat_map(|(package, service)| {
            service
                .method
                .iter()
                .map(move |method| format!("{package}.{}/{}", service.name(), method.name()))
        })
        .collect();
    methods.sort();
    methods
}

#[tokio::test]
async fn every_method_knows_its_callers() {
    let suite = Suite::start().await;
    let mut callers = [
        suite.anonymous(),
        suite.as_user(),
        suite.as_editor(),
        suite.as_admin(),
    ];
    let mut table = String::new();
    for method in methods() {
        table += &format!("{method:66} -");
        for caller in &mut callers {
            table += &format!(" {:16}", format!("{:?}", code_of_empty(caller, &method).await));
        }
        table = table.trim_end().to_owned() + "\n";
    }
    let squeeze = |text: &str| {
        text.lines()
            .map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    };
    assert_eq!(squeeze(&table), squeeze(METHODS));
}

/// Every method of this package but the ones without a request answers one to an empty one.
async fn code_of_empty(caller: &mut Caller, method: &str) -> Code {
    caller
        .call_empty(method)
        .await
        .err()
        .map_or(Code::Ok, |status| status.code())
}

#[test]
fn the_table_names_each_method_once() {
    let mut named = BTreeMap::new();
    for line in METHODS.lines() {
        *named
            .entry(line.split_whitespace().next().unwrap().to_owned())
            .or_insert(0) += 1;
    }
    assert_eq!(named.keys().cloned().collect::<Vec<_>>(), methods());
    assert!(named.values().all(|count| *count == 1));
}

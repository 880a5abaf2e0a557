//! Every method of the service, as the descriptor lists them: a new one without a case fails here.

use datacovey_proto::DESCRIPTORS;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Code;

use crate::suite::Suite;

/// Methods, and what an empty request is answered for anonymous, user, editor and admin: who may not
/// call learns that before anything of the request is looked at.
const METHODS: &str = "\
datacovey.transfer.v1.ExportService/CancelExportJob        - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.transfer.v1.ExportService/CreateExportJob        - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.transfer.v1.ExportService/Download               - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.transfer.v1.ExportService/GetExportJob           - Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.transfer.v1.ExportService/ListExportJobHistory   - Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.transfer.v1.ExportService/ListExportJobs         - Unauthenticated Ok               Ok               Ok
datacovey.transfer.v1.ExportService/WaitExportJob          - Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.transfer.v1.ExportService/WatchExportJob         - Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.transfer.v1.ImportService/CancelImportJob        - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.transfer.v1.ImportService/CreateImportJob        - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.transfer.v1.ImportService/GetImportJob           - Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.transfer.v1.ImportService/GetUploadOffset        - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.transfer.v1.ImportService/ListImportJobHistory   - Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.transfer.v1.ImportService/ListImportJobs         - Unauthenticated Ok               Ok               Ok
datacovey.transfer.v1.ImportService/ListRejectedRows       - Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.transfer.v1.ImportService/Upload                 - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.transfer.v1.ImportService/WaitImportJob          - Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.transfer.v1.ImportService/WatchImportJob         - Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.transfer.v1.VersionService/ListTableVersions     - Unauthenticated InvalidArgument  InvalidArgument  InvalidArgument
datacovey.transfer.v1.VersionService/PublishTableVersion   - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
datacovey.transfer.v1.VersionService/RestoreTableVersion   - Unauthenticated PermissionDenied InvalidArgument  InvalidArgument
";

fn methods() -> Vec<String> {
    let descriptors = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let ours = descriptors
        .file
        .iter()
        .filter(|file| file.package() == "datacovey.transfer.v1");
    let services = ours.flat_map(|file| &file.service);
    let mut methods: Vec<String> = services
        .flat_map(|service| {
            let method = |name: &str| format!("datacovey.transfer.v1.{}/{name}", service.name());
            service.method.iter().map(move |it| method(it.name()))
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
    let mut table = Vec::new();
    for method in methods() {
        let mut line = vec![method.clone(), "-".to_owned()];
        for caller in &mut callers {
            let code = caller
                .call_empty(&method)
                .await
                .err()
                .map_or(Code::Ok, |status| status.code());
            line.push(format!("{code:?}"));
        }
        table.push(line.join(" "));
    }
    let expected: Vec<String> = METHODS
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(table, expected);
}

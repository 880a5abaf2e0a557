//! The gateway's edges: what is listed, what is refused, and how.

use std::collections::BTreeSet;

use bytes::Bytes;
use datacovey_proto::catalog::v1::{CreateProjectRequest, GetProjectRequest, Project};
use datacovey_types::{Role, Scopes};
use prost::Message as _;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use uuid::Uuid;

use crate::suite::{fields, reason, shared, someone, token, user};

/// Every public method of the descriptor, as `package.Service/Method`.
fn methods() -> BTreeSet<String> {
    let set = prost_types::FileDescriptorSet::decode(datacovey_proto::PUBLIC_DESCRIPTORS).unwrap();
    let methods = set.file.iter().flat_map(|file| {
        file.service.iter().flat_map(|service| {
            let path = format!("{}.{}", file.package(), service.name());
            service
                .method
                .iter()
                .map(move |method| format!("{path}/{}", method.name()))
        })
    });
    methods.collect()
}

async fn channel() -> Channel {
    Channel::from_shared(shared().gateway.clone())
        .unwrap()
        .connect()
        .await
        .unwrap()
}

/// Calls any method with these bytes; the answer's bytes are not looked at.
async fn call(path: &str, token: Option<&str>, body: Bytes) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel().await);
    grpc.ready()
        .await
        .map_err(|error| Status::unknown(error.to_string()))?;
    let mut request = Request::new(RawBytes(body));
    if let Some(token) = token {
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let path = format!("/{path}").parse().unwrap();
    grpc.unary(request, path, ProstCodec::<RawBytes, RawBytes>::default())
        .await
        .map(|_| ())
}

/// A message that is whatever its bytes are.
#[derive(Clone, Debug, Default, PartialEq)]
struct RawBytes(Bytes);

impl prost::Message for RawBytes {
    fn encode_raw(&self, buf: &mut impl prost::bytes::BufMut) {
        buf.put_slice(&self.0);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: prost::encoding::WireType,
        buf: &mut impl prost::bytes::Buf,
        ctx: prost::encoding::DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        prost::encoding::skip_field(wire_type, tag, buf, ctx)
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_a_token() {
    let methods = methods();
    assert!(methods.len() > 80, "{} methods", methods.len());
    for method in &methods {
        let status = call(method, None, Bytes::new()).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unauthenticated, "CREDENTIALS_MISSING"),
            "{method}"
        );
        let status = call(method, Some("not.a.token"), Bytes::new()).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unauthenticated, "CREDENTIALS_INVALID"),
            "{method}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_makes_a_fault() {
    let token = token(&format!("Fuzz {}", Uuid::now_v7()), Role::OrgAdmin, Scopes::NONE).await;
    let mut found = Vec::new();
    for method in methods() {
        // Nothing; no protobuf at all; a string that is no UTF-8; an id that is none.
        for body in [
            &b""[..],
            b"\xff\xff\xff\xff",
            b"\x0a\x02\xc3\x28",
            b"\x0a\x04none",
        ] {
            let Err(status) = call(&method, Some(&token), Bytes::from_static(body)).await else {
                continue;
            };
            let fault = matches!(
                status.code(),
                Code::Internal | Code::Unknown | Code::Unavailable | Code::DataLoss
            );
            if fault || reason(&status).starts_with("no reason") {
                found.push(format!(
                    "{method} {body:?}: {:?} {}",
                    status.code(),
                    status.message()
                ));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn internal_methods_are_for_nobody_outside() {
    let token = token(
        &format!("Curious {}", Uuid::now_v7()),
        Role::OrgAdmin,
        Scopes::from("platform backfill"),
    )
    .await;
    for method in [
        "datacovey.internal.identity.v1.PrincipalService/ResolvePrincipal",
        "datacovey.internal.catalog.v1.ResolverService/ResolveProject",
        "datacovey.internal.transfer.v1.VersionResolverService/ResolveVersions",
        "datacovey.internal.rows.v1.RowService/Select",
        "datacovey.internal.rows.v1.RowService/Delete",
    ] {
        let status = call(method, Some(&token), Bytes::new()).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_wrong_says_so() {
    let someone = someone("Careless").await;
    let project = Project {
        name: "x".repeat(8 << 20),
        ..Project::default()
    };
    let request = CreateProjectRequest {
        project: Some(project),
        ..Default::default()
    };
    let status = someone.projects().create_project(request).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "TOO_LARGE")
    );

    let project = Project {
        name: " ".to_owned(),
        description: Some("y".repeat(100_000)),
        ..Project::default()
    };
    let request = CreateProjectRequest {
        project: Some(project),
        ..Default::default()
    };
    let status = someone.projects().create_project(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let wrong = fields(&status);
    assert!(
        wrong.iter().any(|it| it == "project.name") && wrong.iter().any(|it| it == "project.description"),
        "{wrong:?}"
    );

    let status = someone
        .projects()
        .get_project(GetProjectRequest {
            id: "seven".to_owned(),
        })
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), fields(&status)),
        (Code::InvalidArgument, vec!["id".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_weakest_role_changes_nothing() {
    let tenant = format!("Weak {}", Uuid::now_v7());
    user(&tenant, Role::OrgAdmin, Scopes::NONE).await;
    let weak = user(&tenant, Role::DatasetUser, Scopes::NONE).await;
    let project = Project {
        name: "mine".to_owned(),
        ..Project::default()
    };
    let request = CreateProjectRequest {
        project: Some(project),
        ..Default::default()
    };
    let status = weak.projects().create_project(request).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::PermissionDenied, "PERMISSION_DENIED")
    );
}

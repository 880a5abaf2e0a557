//! The REST API over all services: rows that are written and read again, and what is refused.

mod client;
mod hidden;
mod jobs;
mod refused;
mod rows;
mod written;

use bytes::Bytes;
use datacovey_types::{Role, Scopes};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::suite::{shared, token};

/// Somebody who asks by HTTP.
struct Caller {
    token: String,
    tenant: String,
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }

    /// The status, and the code of the error.
    fn refused(&self) -> (u16, String) {
        (
            self.status.as_u16(),
            self.json()["code"].as_str().unwrap().to_owned(),
        )
    }
}

async fn send(token: Option<&str>, line: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
    match body {
        Some(body) => {
            let headers = [headers, &[("content-type", "application/json")]].concat();
            send_text(token, line, &headers, body.to_string()).await
        }
        None => send_text(token, line, headers, String::new()).await,
    }
}

async fn send_text(token: Option<&str>, line: &str, headers: &[(&str, &str)], body: String) -> Answer {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", shared().gateway));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client
        .request(request.body(Full::new(Bytes::from(body))).unwrap())
        .await
        .unwrap();
    let (head, body) = answer.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

impl Caller {
    async fn new(name: &str) -> Self {
        Self::with(
            &format!("{name} {}", Uuid::now_v7()),
            Role::OrgAdmin,
            Scopes::NONE,
        )
        .await
    }

    async fn with(tenant: &str, role: Role, scopes: Scopes) -> Self {
        let token = token(tenant, role, scopes).await;
        let tenant = send(
            Some(&token),
            &format!("GET /tenant?name=eq.{}", tenant.replace(' ', "%20")),
            &[],
            None,
        )
        .await;
        let tenant = tenant.json()[0]["id"].as_str().unwrap().to_owned();
        Self { token, tenant }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        send(Some(&self.token), &format!("GET {path}"), headers, None).await
    }

    /// Writes, and asks for what was written.
    async fn write(&self, line: &str, body: &Value) -> Answer {
        let headers = [("prefer", "return=representation")];
        send(Some(&self.token), line, &headers, Some(body)).await
    }

    /// The one row that was written.
    async fn insert(&self, relation: &str, mut row: Value) -> Value {
        row["tenant_id"] = json!(self.tenant);
        let answer = self.write(&format!("POST /{relation}"), &row).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.json()[0].clone()
    }

    async fn project(&self, name: &str) -> String {
        id(&self.insert("project", json!({"name": name})).await)
    }
}

fn id(row: &Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}

fn names(answer: &Answer) -> Vec<String> {
    let rows = answer.json();
    let names = rows.as_array().unwrap().iter();
    names.map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

//! One question is one trace: from the gateway through the services to the worker that ran the job.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use datacovey::client::ImportOptions;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::process::{Process, folder};
use crate::world::World;

#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    arrived: Arc<Notify>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request
            .into_inner()
            .resource_spans
            .into_iter()
            .flat_map(|it| it.scope_spans);
        self.spans.lock().unwrap().extend(scopes.flat_map(|it| it.spans));
        self.arrived.notify_one();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = TraceServiceServer::new(self.clone());
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        format!("http://{address}")
    }

    /// The trace that holds a span of this name, once it holds all of `names`.
    async fn trace_with(&self, names: &[&str]) -> Vec<Span> {
        let whole = async {
            loop {
                if let Some(trace) = self.find(names) {
                    return trace;
                }
                self.arrived.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), whole)
            .await
            .unwrap_or_else(|_| {
                let spans = self.spans.lock().unwrap();
                let mut seen: Vec<_> = spans
                    .iter()
                    .map(|span| format!("{} {}", hex::encode(&span.trace_id), span.name))
                    .collect();
                seen.sort();
                panic!("no trace has all of {names:?}; there are:\n{}", seen.join("\n"))
            })
    }

    fn find(&self, names: &[&str]) -> Option<Vec<Span>> {
        let mut traces: HashMap<Vec<u8>, Vec<Span>> = HashMap::new();
        for span in self.spans.lock().unwrap().iter() {
            traces
                .entry(span.trace_id.clone())
                .or_default()
                .push(span.clone());
        }
        traces.into_values().find(|trace| {
            names
                .iter()
                .all(|name| trace.iter().any(|span| span.name.contains(name)))
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_one_tree_of_spans() {
    let collector = Collector::default();
    let endpoint = collector.listen().await;
    let folder = folder();
    let process = Process::up(&folder.path().join("data"), &["--otlp-endpoint", &endpoint]).await;
    let (north, south) = (process.client("North").await, process.client("South").await);
    let world = World::make(&north, &south).await;
    let file = folder.path().join("people.csv");
    let people: String = (0..100).map(|it| format!("p{it}@example.org,here\n")).collect();
    std::fs::write(&file, format!("email,city\n{people}")).unwrap();
    north
        .import_file(
            &world.tables[0],
            &file,
            &ImportOptions::default(),
            &|_, _| {},
            &|_, _| {},
        )
        .await
        .unwrap();

    let rows = south
        .run(
            &world.project_id,
            "SELECT city, COUNT(*) AS n FROM north.people GROUP BY city",
        )
        .await
        .unwrap();
    assert_eq!(rows.cells.len(), 1);
    assert!(process.terminate().await.success());

    let trace = collector
        .trace_with(&[
            "datacovey.query.v1.QueryJobService/CreateQueryJob",
            "datacovey.internal.catalog.v1.ResolverService/ResolveProject",
            "datacovey.internal.transfer.v1.VersionResolverService/ResolveVersions",
            "query job",
        ])
        .await;
    let ids: HashSet<_> = trace.iter().map(|span| &span.span_id).collect();
    let roots: Vec<_> = trace
        .iter()
        .filter(|span| !ids.contains(&span.parent_span_id))
        .map(|it| &it.name)
        .collect();
    assert_eq!(roots.len(), 1, "one tree, not {roots:?}");
    // One process here, so that the spans and not their resource say whose they are.
    let services: BTreeSet<_> = trace.iter().filter_map(service).collect();
    for name in ["gateway", "query", "catalog", "transfer"] {
        assert!(services.contains(name), "no span of {name}, only of {services:?}");
    }
    print(&trace, &[], 0);
}

/// The service that a span of a call was in.
fn service(span: &Span) -> Option<&str> {
    let attribute = span.attributes.iter().find(|it| it.key == "service")?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(name) => Some(name),
        _ => None,
    }
}

fn print(trace: &[Span], parent: &[u8], depth: usize) {
    for span in trace.iter().filter(|span| span.parent_span_id == parent) {
        println!("{}{} ({:?})", "  ".repeat(depth), span.name, span.kind());
        print(trace, &span.span_id, depth + 1);
    }
}

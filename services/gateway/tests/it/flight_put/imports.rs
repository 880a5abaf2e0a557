//! A transfer service that keeps what it is sent, and calls of DoPut.

use std::sync::{Arc, Mutex};

use arrow_flight::{FlightData, FlightDescriptor, PutResult};
use datacovey_proto::transfer::v1 as pb;
use futures::{Stream, StreamExt as _, stream};
use tokio::sync::Notify;
use tonic::Status;
use uuid::Uuid;

use crate::content::{Import, an_import};
use crate::fake;
use crate::flight::{client, path};
use crate::suite::{Suite, soon};

pub(super) const CREATE: &str = "/datacovey.transfer.v1.ImportService/CreateImportJob";
pub(super) const WAIT: &str = "/datacovey.transfer.v1.ImportService/WaitImportJob";
pub(super) const CANCEL: &str = "/datacovey.transfer.v1.ImportService/CancelImportJob";
pub(super) const TABLES: &str = "/datacovey.catalog.v1.TableService/ListTables";
pub(super) const DATASETS: &str = "/datacovey.catalog.v1.DatasetService/ListDatasets";

/// A transfer service that takes imports.
pub(super) struct Imports {
    pub(super) content: Import,
    /// What was asked to be created.
    pub(super) created: Arc<Mutex<Vec<pb::CreateImportJobRequest>>>,
    /// What was cancelled.
    pub(super) cancelled: Arc<Mutex<Vec<String>>>,
    pub(super) cancel: Arc<Notify>,
}

impl Imports {
    /// Each import ends as `ended`.
    pub(super) fn of(suite: &Suite, ended: pb::ImportJob) -> Self {
        let imports = Self {
            content: an_import(suite),
            created: Arc::default(),
            cancelled: Arc::default(),
            cancel: Arc::default(),
        };
        let created = imports.created.clone();
        suite.transfer.answer(CREATE, move |request| {
            let created = created.clone();
            Box::pin(async move {
                let request = fake::read(request.into_body()).await;
                created.lock().unwrap().push(request);
                fake::unary(&job(pb::JobState::Pending))
            })
        });
        let waits = Arc::new(Mutex::new(0));
        suite.transfer.answer(WAIT, move |_| {
            // The first wait is over before the import is.
            let mut waits = waits.lock().unwrap();
            *waits += 1;
            let answer = if *waits == 1 {
                job(pb::JobState::Running)
            } else {
                ended.clone()
            };
            Box::pin(async move { fake::unary(&answer) })
        });
        let (cancelled, cancel) = (imports.cancelled.clone(), imports.cancel.clone());
        suite.transfer.answer(CANCEL, move |request| {
            let (cancelled, cancel) = (cancelled.clone(), cancel.clone());
            Box::pin(async move {
                let request: pb::CancelImportJobRequest = fake::read(request.into_body()).await;
                cancelled.lock().unwrap().push(request.id);
                cancel.notify_one();
                fake::unary(&job(pb::JobState::Failed))
            })
        });
        imports
    }

    pub(super) fn that_complete(suite: &Suite) -> Self {
        Self::of(
            suite,
            pb::ImportJob {
                version: Some(4),
                rows_imported: 7,
                rows_rejected: 1,
                ignored_columns: vec!["other".to_owned()],
                ..job(pb::JobState::Completed)
            },
        )
    }

    pub(super) fn created(&self) -> usize {
        self.created.lock().unwrap().len()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.content.lock().unwrap().finish.is_some()
    }

    /// Nothing is left of what was begun.
    pub(super) fn expect_given_up(&self) {
        assert_eq!(*self.cancelled.lock().unwrap(), ["an import"]);
        assert!(!self.is_finished());
    }
}

pub(super) fn job(state: pb::JobState) -> pb::ImportJob {
    pb::ImportJob {
        id: "an import".to_owned(),
        state: state.into(),
        ..Default::default()
    }
}

pub(super) fn table() -> FlightDescriptor {
    path(&["table", &Uuid::nil().to_string()])
}

pub(super) async fn put(
    suite: &Suite,
    messages: impl Stream<Item = FlightData> + Send + 'static,
) -> Result<Vec<PutResult>, Status> {
    let answer = client(suite).await.do_put(messages).await?.into_inner();
    let results: Vec<_> = soon(answer.collect()).await;
    results.into_iter().collect()
}

pub(super) async fn put_all(suite: &Suite, messages: Vec<FlightData>) -> Result<Vec<PutResult>, Status> {
    put(suite, stream::iter(messages)).await
}

/// Puts messages, and leaves when the service has something of them.
pub(super) async fn leave_half_way(suite: &Suite, imports: &Imports, messages: Vec<FlightData>) {
    let messages = stream::iter(messages).chain(stream::pending());
    let putting = tokio::spawn({
        let mut client = client(suite).await;
        async move { client.do_put(messages).await.map(|_| ()) }
    });
    let arrived = async {
        while imports.content.lock().unwrap().content.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    soon(arrived).await;
    putting.abort();
}

//! Calls to a service that runs as several processes, which fail, come and go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use datacovey_auth::{InternalSigner, SigningKey};
use datacovey_proto::internal::rows::v1::InsertRequest;
use datacovey_proto::internal::rows::v1::row_service_client::RowServiceClient;
use datacovey_server::{Balanced, Peer, PeerUrls, Resolve};
use futures::future::{BoxFuture, join_all};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::fixture::{limits, soon, start_for};
use crate::node::{Does, Names, Node, READ, WRITE, begin, call, finish};

fn urls(nodes: &[&Node]) -> PeerUrls {
    let urls: Vec<_> = nodes.iter().map(|node| node.url()).collect();
    urls.join(",").parse().unwrap()
}

fn client(nodes: &[&Node]) -> Balanced {
    Balanced::new("identity", &urls(nodes), None)
}

fn named(names: &Arc<Names>) -> Balanced {
    let urls = "http://identity:50051".parse().unwrap();
    let resolver: Arc<dyn Resolve> = names.clone();
    Balanced::with_resolver("identity", &urls, None, resolver)
}

/// Calls until each of the nodes has answered one, so that there is a connection to each.
async fn meet(client: &Balanced, nodes: &[&Node]) {
    let met = async {
        while nodes.iter().any(|node| node.calls() == 0) {
            call(client, READ, "meet").await.unwrap();
        }
    };
    soon(met).await;
}

#[tokio::test]
async fn calls_are_spread_over_all() {
    let nodes = [
        Node::start(Does::Answer).await,
        Node::start(Does::Answer).await,
        Node::start(Does::Answer).await,
        Node::start(Does::Answer).await,
    ];
    let nodes: Vec<_> = nodes.iter().collect();
    let client = client(&nodes);
    for id in 0..1000 {
        call(&client, WRITE, &id.to_string()).await.unwrap();
    }
    let calls: Vec<_> = nodes.iter().map(|node| node.calls()).collect();
    assert_eq!(calls.iter().sum::<usize>(), 1000);
    assert!(calls.iter().all(|calls| *calls > 0), "{calls:?}");
}

/// Streams stay where they are, so the other node is less loaded for each that is begun.
#[tokio::test]
async fn the_less_loaded_is_chosen() {
    let (one, two) = (Node::start(Does::Answer).await, Node::start(Does::Answer).await);
    let client = client(&[&one, &two]);
    meet(&client, &[&one, &two]).await;
    one.does(Does::Stream);
    two.does(Does::Stream);
    let before = (one.calls(), two.calls());
    let mut streams = Vec::new();
    for id in 0..200 {
        streams.push(begin(&client, READ, &id.to_string(), None).await.unwrap());
    }
    let (of_one, of_two) = (one.calls() - before.0, two.calls() - before.1);
    assert_eq!(of_one + of_two, 200);
    assert!(of_one.abs_diff(of_two) < 100, "{of_one} and {of_two}");
}

#[tokio::test]
async fn who_comes_is_used_and_who_goes_is_left_after_its_calls() {
    let (old, new) = (Node::start(Does::Stream).await, Node::start(Does::Answer).await);
    let names = Names::of(&[&old]);
    let client = named(&names);
    let running = begin(&client, READ, "running", None).await.unwrap();
    old.does(Does::Answer);
    call(&client, WRITE, "first").await.unwrap();
    assert_eq!((old.calls(), new.calls()), (2, 0));

    names.are([new.address]);
    let came = async {
        while new.calls() == 0 {
            call(&client, WRITE, "second").await.unwrap();
        }
    };
    soon(came).await;
    let before = old.calls();
    for _ in 0..100 {
        call(&client, WRITE, "third").await.unwrap();
    }
    assert_eq!(old.calls(), before, "it gets no new calls");
    old.end.notify_one();
    assert!(
        !soon(finish(running)).await.unwrap().is_empty(),
        "and those it has may end"
    );

    // What is known holds on while nobody knows better.
    names.are([]);
    let lookups = names.lookups();
    let failed = async {
        while names.lookups() < lookups + 2 {
            tokio::task::yield_now().await;
        }
    };
    soon(failed).await;
    call(&client, WRITE, "fourth").await.unwrap();
    assert_eq!((old.calls(), new.read("fourth")), (before, 1));
}

#[tokio::test]
async fn a_killed_process_costs_no_reading_and_its_streams_are_unavailable() {
    let (one, two) = (Node::start(Does::Answer).await, Node::start(Does::Answer).await);
    let client = client(&[&one, &two]);
    meet(&client, &[&one, &two]).await;

    two.does(Does::Stream);
    let stream = loop {
        let before = two.calls();
        let body = begin(&client, READ, "stream", None).await.unwrap();
        if two.calls() > before {
            break body;
        }
    };
    two.does(Does::Answer);
    let stop = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for worker in 0..4 {
        let (client, stop) = (client.clone(), stop.clone());
        load.spawn(async move {
            let mut calls = 0;
            while !stop.load(Ordering::SeqCst) {
                call(&client, READ, &format!("{worker} {calls}")).await.unwrap();
                calls += 1;
            }
            calls
        });
    }
    let (before_one, before_two) = (one.calls(), two.calls());
    while two.calls() < before_two + 50 {
        tokio::task::yield_now().await;
    }
    two.kill().await;
    let killed_at = one.calls();
    while one.calls() < killed_at + 200 {
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::SeqCst);
    let calls: usize = load.join_all().await.into_iter().sum();
    assert!(calls >= 200 && one.calls() > before_one);
    let end = soon(finish(stream)).await.unwrap_err();
    assert_eq!(end.code(), Code::Unavailable);
    assert!(end.get_error_details().retry_info().is_some());
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_twice() {
    let (good, bad) = (Node::start(Does::Answer).await, Node::start(Does::Answer).await);
    let client = client(&[&good, &bad]);
    meet(&client, &[&good, &bad]).await;
    bad.does(Does::HangUp);
    let writes = (0..50).map(async |id| {
        let id = format!("write {id}");
        let outcome = call(&client, WRITE, &id).await;
        (id, outcome)
    });
    let mut lost = 0;
    for (id, outcome) in join_all(writes).await {
        match outcome {
            Ok(_) => assert_eq!((good.read(&id), bad.read(&id)), (1, 0), "{id}"),
            Err(status) => {
                lost += 1;
                assert_eq!(status.code(), Code::Unavailable);
                assert_eq!(good.read(&id), 0, "{id}");
                assert!(bad.read(&id) <= 1, "{id}");
            }
        }
    }
    assert!(lost > 0);
    // A reading does no harm, so that it is sent to the other.
    let read_by_both = async {
        for id in 0.. {
            let id = format!("read {id}");
            call(&client, READ, &id).await.unwrap();
            assert_eq!(good.read(&id), 1);
            if bad.read(&id) == 1 {
                break;
            }
        }
    };
    soon(read_by_both).await;
}

#[tokio::test]
async fn a_refused_stream_goes_to_another_whatever_it_is() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (good, full) = (Node::start(Does::Answer).await, Node::start(Does::Answer).await);
    let client = client(&[&good, &full]);
    meet(&client, &[&good, &full]).await;
    full.does(Does::Refuse);
    for id in 0..40 {
        let id = id.to_string();
        call(&client, WRITE, &id).await.unwrap();
        assert_eq!((good.read(&id), full.read(&id)), (1, 0), "{id}");
    }
    assert!(full.refused() > 0);
    let shown = metrics.render();
    for line in [
        "datacovey_upstream_connections{peer=\"identity\"} 4".to_owned(),
        format!(
            "datacovey_upstream_retries_total{{peer=\"identity\",reason=\"refused\"}} {}",
            full.refused()
        ),
    ] {
        assert!(shown.contains(&line), "{line} is not in {shown}");
    }
}

#[tokio::test]
async fn repeats_do_not_multiply_an_overload() {
    let full = Node::start(Does::Answer).await;
    let client = client(&[&full]);
    meet(&client, &[&full]).await;
    full.does(Does::Refuse);
    let ids: Vec<_> = (0..500).map(|id| id.to_string()).collect();
    for outcome in join_all(ids.iter().map(|id| call(&client, WRITE, id))).await {
        assert_eq!(outcome.unwrap_err().code(), Code::Unavailable);
    }
    let refused = full.refused();
    // A fifth of the calls and a hundred at once; unbounded, it were five times as many.
    assert!((501..=800).contains(&refused), "{refused}");
}

#[tokio::test]
async fn who_is_not_available_is_asked_again_only_for_what_does_no_harm() {
    let away = Node::start(Does::Unavailable).await;
    let client = client(&[&away]);
    for (path, times) in [(WRITE, 1), (READ, 3)] {
        let status = call(&client, path, path).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unavailable, "of the node")
        );
        assert_eq!(away.read(path), times, "{path}");
    }
}

/// A GOAWAY that names an earlier stream as the last, frame by frame.
#[tokio::test]
async fn what_a_goaway_leaves_out_goes_to_another() {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const HEADERS: u8 = 1;
    let leaving = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = leaving.local_addr().unwrap();
    let left = Arc::new(AtomicUsize::new(0));
    let count = left.clone();
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = leaving.accept().await {
            let count = count.clone();
            tokio::spawn(async move {
                let mut preface = [0; 24];
                stream.read_exact(&mut preface).await?;
                stream.write_all(&SETTINGS).await?;
                let mut head = [0; 9];
                loop {
                    stream.read_exact(&mut head).await?;
                    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                    let mut payload = vec![0; length as usize];
                    stream.read_exact(&mut payload).await?;
                    if head[3] == HEADERS {
                        count.fetch_add(1, Ordering::SeqCst);
                        stream.write_all(&GOAWAY).await?;
                    }
                }
                #[expect(unreachable_code, reason = "says what the block's errors are")]
                std::io::Result::Ok(())
            });
        }
    });
    let good = Node::start(Does::Answer).await;
    let urls = format!("http://{address},{}", good.url()).parse().unwrap();
    let client = Balanced::new("identity", &urls, None);
    let passed_on = async {
        for id in 0.. {
            let id = id.to_string();
            call(&client, WRITE, &id).await.unwrap();
            assert_eq!(good.read(&id), 1);
            if left.load(Ordering::SeqCst) > 0 {
                break;
            }
        }
    };
    soon(passed_on).await;
    serving.abort();
}

/// It takes connections, as a process that is stopped does, and says nothing.
#[tokio::test]
async fn who_does_not_speak_gets_no_calls() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = Node::start(Does::Answer).await;
    let urls = format!("http://{},{}", silent.local_addr().unwrap(), good.url());
    let client = Balanced::new("identity", &urls.parse().unwrap(), None);
    for id in 0..200 {
        soon(call(&client, WRITE, &id.to_string())).await.unwrap();
    }
    assert_eq!(good.calls(), 200);
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let gone = Node::start(Does::Answer).await;
    gone.kill().await;
    let nameless = Arc::new(Names::default());
    for client in [client(&[&gone]), named(&nameless)] {
        let status = soon(call(&client, WRITE, "")).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(
            status.message(),
            "the identity service is not available now; retry"
        );
        assert!(status.get_error_details().retry_info().is_some());
        // It was found out, and not waited for.
        assert!(!causes(&status).contains("in time"), "{}", causes(&status));
    }
}

fn causes(status: &Status) -> String {
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    assert!(!causes.is_empty(), "{status:?} says no cause");
    causes.join(": ")
}

/// Answers no question.
struct Silence;

impl Resolve for Silence {
    fn resolve<'a>(
        &'a self,
        _: &'a str,
        _: u16,
    ) -> BoxFuture<'a, std::io::Result<Vec<std::net::SocketAddr>>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_deadline_holds_while_nobody_is_there() {
    let urls = "http://identity:50051".parse().unwrap();
    let client = Balanced::with_resolver("identity", &urls, None, Arc::new(Silence));
    let deadline = Instant::now() + Duration::from_millis(100);
    let status = soon(begin(&client, WRITE, "", Some(deadline))).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

/// Real servers, each of which drains and is replaced by another, under a load of calls that are
/// not sent twice: nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_no_call() {
    let signer = InternalSigner::new("gateway", SigningKey::generate().unwrap());
    let start = || start_for(signer.clone(), None, limits(), None, |app| app);
    let mut running = vec![start().await, start().await];
    let names = Arc::new(Names::default());
    names.are(running.iter().map(|it| it.address));
    let urls = "http://query:50053".parse().unwrap();
    let resolver: Arc<dyn Resolve> = names.clone();
    let client = Balanced::with_resolver("query", &urls, None, resolver);
    let peer = Peer::over(client, signer.clone());
    let stop = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let mut load = JoinSet::new();
    for _ in 0..8 {
        let (peer, stop, calls) = (peer.clone(), stop.clone(), calls.clone());
        load.spawn(async move {
            let mut failures = BTreeSet::new();
            while !stop.load(Ordering::SeqCst) {
                let mut client = RowServiceClient::new(peer.as_service("request"));
                let status = client.insert(InsertRequest::default()).await.unwrap_err();
                // As the handler says.
                if status.code() != Code::Unimplemented {
                    failures.insert(format!("{status:?}"));
                }
                calls.fetch_add(1, Ordering::SeqCst);
            }
            failures
        });
    }
    let more_calls = async |count: usize| {
        let before = calls.load(Ordering::SeqCst);
        while calls.load(Ordering::SeqCst) < before + count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    for _ in 0..4 {
        soon(more_calls(200)).await;
        let new = start().await;
        names.are([running[1].address, new.address]);
        // As a pod's address, this one is found to be gone later than it is.
        let old = running.remove(0);
        running.push(new);
        old.shutdown.cancel();
        soon(old.served).await.unwrap().unwrap();
        soon(more_calls(200)).await;
        // The new one is used before the other goes.
        let lookups = names.lookups();
        let found = async {
            while names.lookups() < lookups + 1 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon(found).await;
    }
    stop.store(true, Ordering::SeqCst);
    for failures in load.join_all().await {
        assert!(failures.is_empty(), "{failures:?}");
    }
}

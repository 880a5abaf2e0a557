use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use prost::Message as _;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};

/// What is known of a method.
#[derive(Clone, Copy, Debug)]
struct Method {
    pace: Pace,
    /// Whether it is declared to be without side effects.
    only_reads: bool,
}

/// All methods that a server may have, by path (`/datacovey.catalog.v1.TableService/GetTable`).
static METHODS: LazyLock<HashMap<Arc<str>, Method>> = LazyLock::new(|| {
    let sets = [
        datacovey_proto::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    // These decode; were one broken, its methods would all be counted as one.
    let sets = sets.map(|set| FileDescriptorSet::decode(set).unwrap_or_default());
    let mut methods = HashMap::new();
    for file in sets.iter().flat_map(|set| &set.file) {
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            let known =
                |it: &MethodDescriptorProto| (format!("/{name}/{}", it.name()).into(), Method::of(it));
            methods.extend(service.method.iter().map(known));
        }
    }
    methods.extend(FLIGHT_METHODS.map(|path| (path.into(), Method::of_flight())));
    methods
});

/// The methods of Arrow Flight, of which there is no descriptor here.
const FLIGHT_METHODS: [&str; 10] = [
    "/arrow.flight.protocol.FlightService/DoAction",
    "/arrow.flight.protocol.FlightService/DoExchange",
    "/arrow.flight.protocol.FlightService/DoGet",
    "/arrow.flight.protocol.FlightService/DoPut",
    "/arrow.flight.protocol.FlightService/GetFlightInfo",
    "/arrow.flight.protocol.FlightService/GetSchema",
    "/arrow.flight.protocol.FlightService/Handshake",
    "/arrow.flight.protocol.FlightService/ListActions",
    "/arrow.flight.protocol.FlightService/ListFlights",
    "/arrow.flight.protocol.FlightService/PollFlightInfo",
];

impl Method {
    fn of(method: &MethodDescriptorProto) -> Self {
        let options = method.options.as_ref();
        Self {
            pace: Pace::of(method),
            only_reads: options.is_some_and(|it| it.idempotency_level() == IdempotencyLevel::NoSideEffects),
        }
    }

    /// They stream, or wait for the job that they tell of.
    const fn of_flight() -> Self {
        Self {
            pace: Pace::Lasting,
            only_reads: false,
        }
    }
}

/// Whether a path is that of a method of gRPC.
pub(crate) fn is_method(path: &str) -> bool {
    METHODS.contains_key(path)
}

/// Whether calling the method of a path again does no harm; only the suite's own methods say so.
pub(crate) fn has_no_side_effects(path: &str) -> bool {
    METHODS.get(path).is_some_and(|it| it.only_reads)
}

/// How long a call of a method lasts by its nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pace {
    /// As long as its work.
    Prompt,
    /// As long as its caller likes: a stream, or a wait for something to happen.
    Lasting,
}

impl Pace {
    fn of(method: &MethodDescriptorProto) -> Self {
        // `WaitQueryJob` and its like answer once, when the job has ended.
        if method.client_streaming() || method.server_streaming() || method.name().starts_with("Wait") {
            Self::Lasting
        } else {
            Self::Prompt
        }
    }

    /// Of a method that nobody has, an answer is prompt.
    pub(crate) fn of_path(path: &str) -> Self {
        match METHODS.get(path) {
            Some(method) => method.pace,
            None if content_route(path).is_some() => Self::Lasting,
            None => Self::Prompt,
        }
    }
}

/// Content that comes and goes over plain HTTP, as a stream.
const CONTENT_ROUTES: [&str; 4] = [
    "/import_job/{id}/content",
    "/import_job/{id}/rejected_rows",
    "/export_job/{id}/content",
    "/query_job/{id}/content",
];

/// Which of [`CONTENT_ROUTES`] a path is.
fn content_route(path: &str) -> Option<&'static str> {
    CONTENT_ROUTES.into_iter().find(|route| {
        let ends = route.split_once("{id}");
        let id = ends.and_then(|(start, end)| path.strip_prefix(start)?.strip_suffix(end));
        id.is_some_and(|id| !id.is_empty() && !id.contains('/'))
    })
}

/// What a path of the REST API is, whichever relation it names.
fn rest_route(path: &str) -> Option<&'static str> {
    match path.strip_prefix('/')? {
        "" => Some("/"),
        name if !name.contains('/') => Some("/{relation}"),
        _ => None,
    }
}

/// The method of a path, for metrics and spans: paths that callers make up are all one.
pub(crate) fn known_method(path: &str) -> Arc<str> {
    match METHODS.get_key_value(path) {
        Some((method, _)) => Arc::clone(method),
        None => content_route(path)
            .or_else(|| rest_route(path))
            .unwrap_or("unknown")
            .into(),
    }
}

/// As much of a path that a caller made up as is worth a place in a log line or an answer.
pub(crate) fn shown(path: &str) -> &str {
    const MAX_CHARS: usize = 100;
    let end = path.char_indices().nth(MAX_CHARS).map(|(end, _)| end);
    &path[..end.unwrap_or(path.len())]
}

/// The package of a method: `datacovey.catalog.v1` of `/datacovey.catalog.v1.TableService/GetTable`.
pub(crate) fn package_of(path: &str) -> &str {
    let service = path
        .strip_prefix('/')
        .and_then(|path| path.split('/').next())
        .unwrap_or_default();
    service.rsplit_once('.').map_or("", |(package, _)| package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known_by_their_path() {
        let path = "/datacovey.identity.v1.UserService/WhoAmI";
        for known in [path, "/grpc.health.v1.Health/Check"] {
            assert_eq!(&*known_method(known), known);
        }
        assert_eq!(
            &*known_method("/import_job/0192/content"),
            "/import_job/{id}/content"
        );
        for (path, known) in [
            ("/", "/"),
            ("/project", "/{relation}"),
            ("/whatever", "/{relation}"),
        ] {
            assert_eq!(&*known_method(path), known);
        }
        for unknown in [
            "/datacovey.identity.v1.UserService/Whoever",
            "/import_job//content",
            "/import_job/a/b/content",
        ] {
            assert_eq!(&*known_method(unknown), "unknown");
        }
    }

    #[test]
    fn what_may_be_called_again_is_declared() {
        assert!(has_no_side_effects("/datacovey.identity.v1.UserService/WhoAmI"));
        for other in [
            "/datacovey.identity.v1.UserService/CreateUser",
            "/grpc.health.v1.Health/Check",
            "",
        ] {
            assert!(!has_no_side_effects(other), "{other}");
        }
    }

    #[test]
    fn what_streams_or_waits_lasts() {
        for (path, pace) in [
            ("/datacovey.identity.v1.UserService/WhoAmI", Pace::Prompt),
            ("/datacovey.query.v1.QueryJobService/WatchQueryJob", Pace::Lasting),
            ("/datacovey.query.v1.QueryJobService/WaitQueryJob", Pace::Lasting),
            ("/datacovey.transfer.v1.ImportService/Upload", Pace::Lasting),
            ("/grpc.health.v1.Health/Check", Pace::Prompt),
            ("/grpc.health.v1.Health/Watch", Pace::Lasting),
            (
                "/arrow.flight.protocol.FlightService/GetFlightInfo",
                Pace::Lasting,
            ),
            ("/arrow.flight.protocol.FlightService/Other", Pace::Prompt),
            ("/no.such/Method", Pace::Prompt),
            ("/export_job/0192/content", Pace::Lasting),
            ("/export_job/0192", Pace::Prompt),
        ] {
            assert_eq!(Pace::of_path(path), pace, "{path}");
        }
    }

    #[test]
    fn a_package_is_what_is_before_the_service() {
        assert_eq!(
            package_of("/datacovey.internal.catalog.v1.A/B"),
            "datacovey.internal.catalog.v1"
        );
        for path in ["", "/", "/Service/Method", "x.y.z", "//a.b/c"] {
            assert_eq!(package_of(path), "", "{path}");
        }
    }
}

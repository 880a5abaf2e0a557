//! The API's document as a page for people: Swagger UI, with all that it needs from here.
//!
//! It stands before the layers: what it shows is published, and a browser that opens it has no token yet.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use datacovey_rest::{Address, Relations, openapi};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use swagger_ui_dist::{ApiDefinition, OpenApiSource};
use tower::ServiceExt as _;

const PAGE: &str = include_str!("docs/page.html");
const START: &str = include_str!("docs/start.js");

/// Scripts, and addresses that are called, from here only; the page has a token in it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The routes, and `/docs` beside them.
pub(crate) fn with_docs(routes: Router, public: Option<Address>) -> Router {
    let document: Arc<str> = document(public).to_string().into();
    let library = swagger_ui_dist::generate_routes(ApiDefinition {
        uri_prefix: "/docs",
        api_definition: OpenApiSource::Uri("/docs/openapi.json"),
        title: None,
    });
    let file = move |request: Request| library.clone().oneshot(request);
    let docs = Router::new()
        .route("/docs", get(async || typed("text/html; charset=utf-8", PAGE)))
        .route("/docs/start.js", get(async || typed("text/javascript", START)))
        .route(
            "/docs/openapi.json",
            get(async move || typed("application/json", document.to_string())),
        )
        .route("/docs/swagger-ui.css", get(file.clone()))
        .route("/docs/swagger-ui-bundle.js", get(file))
        .layer(map_response(guarded));
    routes.merge(docs)
}

fn typed(kind: &'static str, body: impl Into<axum::body::Body>) -> Response {
    (StatusCode::OK, [(CONTENT_TYPE, kind)], body.into()).into_response()
}

async fn guarded(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (http::header::REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "public, max-age=3600"),
    ];
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What `GET /` answers, with what the page needs to call: where a token goes, and that the API is where the
/// page is from.
fn document(public: Option<Address>) -> Value {
    let address = public.unwrap_or_else(|| Address::http(""));
    let mut document = openapi(Relations::contract(), &address);
    if let Some(members) = document.as_object_mut() {
        members.remove("host");
        members.remove("schemes");
        let token = json!({
            "type": "apiKey", "in": "header", "name": "Authorization",
            "description": "Add the token prepending \"Bearer \" (without quotes) to it",
        });
        members.insert("securityDefinitions".to_owned(), json!({ "JWT": token }));
        members.insert("security".to_owned(), json!([{ "JWT": [] }]));
    }
    document
}

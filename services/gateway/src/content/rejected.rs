use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use datacovey_error::{Error, Result};
use datacovey_proto::transfer::v1 as pb;
use datacovey_proto::transfer::v1::import_service_client::ImportServiceClient;
use datacovey_server::error_of_peer;
use datacovey_types::Ctx;
use futures::{Stream, StreamExt as _};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use serde_json::json;

use super::{Services, caller, refuse};

/// Rows of one page, and of one piece of the answer.
const PAGE_ROWS: i32 = 1000;

/// `GET`: the records that an import rejected, a JSON object a line.
pub(super) async fn get(
    State(services): State<Services>,
    Path(id): Path<String>,
    request: Parts,
) -> Response {
    let answer = async {
        let ctx = caller(&request.extensions)?;
        // With an error, the answer is not begun.
        let first = page(&services, &ctx, &id, String::new()).await?;
        let mut response = Response::new(Body::from_stream(lines(services, ctx, id, first)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        Ok(response)
    };
    answer.await.unwrap_or_else(refuse)
}

async fn page(
    services: &Services,
    ctx: &Ctx,
    id: &str,
    page_token: String,
) -> Result<pb::ListRejectedRowsResponse> {
    let request = pb::ListRejectedRowsRequest {
        import_job_id: id.to_owned(),
        page_size: PAGE_ROWS,
        page_token,
    };
    let mut imports = ImportServiceClient::new(services.transfer.on_behalf_of(ctx));
    let listed = imports.list_rejected_rows(request).await;
    Ok(listed
        .map_err(|status| error_of_peer("transfer", status))?
        .into_inner())
}

fn lines(
    services: Services,
    ctx: Ctx,
    id: String,
    first: pb::ListRejectedRowsResponse,
) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    let pages = futures::stream::try_unfold(Some(first), move |next| {
        let (services, ctx, id) = (services.clone(), ctx.clone(), id.clone());
        async move {
            let Some(found) = next else { return Ok(None) };
            let next = match found.next_page_token {
                token if token.is_empty() => None,
                token => Some(page(&services, &ctx, &id, token).await?),
            };
            Ok(Some((text(&found.rejected_rows), next)))
        }
    });
    pages.filter(|text| std::future::ready(text.as_ref().map_or(true, |text| !text.is_empty())))
}

fn text(rows: &[pb::RejectedRow]) -> Bytes {
    let mut text = String::new();
    for row in rows {
        let or_null = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let line = json!({
            "line": row.line,
            "field": or_null(&row.field),
            "reason": row.reason,
            "value": row.value,
            "file": or_null(&row.file),
        });
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text.into()
}

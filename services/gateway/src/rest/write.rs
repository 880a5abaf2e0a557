//! Rows that are written: one call, and its answer as a whole.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use datacovey_error::Error;
use datacovey_proto::internal::rows::v1::row_service_client::RowServiceClient;
use datacovey_rest::{Answering, Outcome, Rows};
use datacovey_server::Peer;
use datacovey_types::Ctx;

use super::refusal::Refused;
use super::{answer, select};

/// What a service says of rows that it has written.
struct Written {
    outcome: Outcome,
    columns: Vec<String>,
    rows: Vec<Bytes>,
}

/// Has a service write rows.
pub(super) async fn run(
    peer: &Peer,
    ctx: &Ctx,
    rows: Rows,
    answering: &Answering,
) -> Result<Response, Refused> {
    let written = write(peer, ctx, rows).await?;
    let answer = answering.answer_rows(&written.outcome)?;
    Ok(match answer.body {
        datacovey_rest::Body::Rows(media) => {
            let body = answer::written(media, &written.columns, &written.rows);
            answer::with_body(answer, Body::from(body))
        }
        _ => answer::whole(answer),
    })
}

async fn write(peer: &Peer, ctx: &Ctx, rows: Rows) -> Result<Written, Refused> {
    let refused = |status| Refused::of_peer(peer.audience(), status);
    let mut service =
        RowServiceClient::new(peer.on_behalf_of(ctx)).max_decoding_message_size(select::MAX_MESSAGE_BYTES);
    Ok(match rows {
        Rows::Insert(asked) => {
            let done = service.insert(asked).await.map_err(refused)?.into_inner();
            Written {
                outcome: Outcome {
                    rows: unsigned(done.affected),
                    total: None,
                    inserted: unsigned(done.inserted),
                    key: done.key,
                },
                columns: done.columns,
                rows: done.rows,
            }
        }
        Rows::Update(asked) => {
            let done = service.update(asked).await.map_err(refused)?.into_inner();
            Written {
                outcome: affected(done.affected),
                columns: done.columns,
                rows: done.rows,
            }
        }
        Rows::Delete(asked) => {
            let done = service.delete(asked).await.map_err(refused)?.into_inner();
            Written {
                outcome: affected(done.affected),
                columns: done.columns,
                rows: done.rows,
            }
        }
        Rows::Select(_) => return Err(Error::internal("a read is no write").into()),
    })
}

fn affected(rows: i64) -> Outcome {
    Outcome {
        rows: unsigned(rows),
        ..Outcome::default()
    }
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

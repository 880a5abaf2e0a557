//! A file of a service, as a stream from any byte on.

use bytes::Bytes;
use datacovey_error::{Error, Result};
use datacovey_proto::query::v1 as query;
use datacovey_proto::query::v1::query_job_service_client::QueryJobServiceClient;
use datacovey_proto::transfer::v1 as transfer;
use datacovey_proto::transfer::v1::export_service_client::ExportServiceClient;
use datacovey_server::error_of_peer;
use datacovey_types::Ctx;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};

use super::format::{self, Media};
use crate::services::Services;

/// A file that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) services: Services,
    pub(crate) ctx: Ctx,
    pub(crate) id: String,
    pub(crate) of: Of,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    Export,
    Result(query::ResultFileFormat),
}

/// An open file.
pub(crate) struct Opened {
    pub(crate) total: u64,
    /// 64 hexadecimal digits.
    pub(crate) sha256: String,
    pub(super) media: Media,
    pub(crate) data: BoxStream<'static, Result<Bytes>>,
}

/// A part of a file, whatever service it comes from.
struct Part {
    total_bytes: i64,
    sha256: String,
    media: Media,
    data: Bytes,
}

impl Offer {
    /// The name that a file of this goes by.
    pub(crate) fn stem(&self) -> &'static str {
        match self.of {
            Of::Export => "export",
            Of::Result(_) => "result",
        }
    }

    /// Opens the file at a byte.
    ///
    /// OUT_OF_RANGE behind its end, with the length as the offset that is right.
    pub(crate) async fn open(&self, offset: u64) -> Result<Opened> {
        let mut parts = match self.of {
            Of::Export => self.export(offset).await?,
            Of::Result(format) => self.result(offset, format).await?,
        };
        let first = parts.next().await.transpose()?;
        let first = first.ok_or_else(|| Error::internal("a download without a part"))?;
        let data = futures::stream::once(std::future::ready(Ok(first.data)));
        Ok(Opened {
            total: u64::try_from(first.total_bytes).map_err(Error::internal)?,
            sha256: first.sha256,
            media: first.media,
            data: data.chain(parts.map_ok(|part| part.data)).boxed(),
        })
    }

    async fn export(&self, offset: u64) -> Result<BoxStream<'static, Result<Part>>> {
        let of_peer = |status| error_of_peer("transfer", status);
        let request = transfer::DownloadRequest {
            export_job_id: self.id.clone(),
            offset: signed(offset),
        };
        let mut exports = ExportServiceClient::new(self.services.transfer.on_behalf_of(&self.ctx));
        let parts = exports.download(request).await.map_err(of_peer)?.into_inner();
        let part = |part: transfer::DownloadResponse| Part {
            total_bytes: part.total_bytes,
            media: format::of_export(part.format(), part.compression()),
            sha256: part.sha256,
            data: part.data,
        };
        Ok(parts.map_ok(part).map_err(of_peer).boxed())
    }

    async fn result(
        &self,
        offset: u64,
        format: query::ResultFileFormat,
    ) -> Result<BoxStream<'static, Result<Part>>> {
        let of_peer = |status| error_of_peer("query", status);
        let request = query::DownloadResultsRequest {
            query_job_id: self.id.clone(),
            format: format.into(),
            offset: signed(offset),
        };
        let mut jobs = QueryJobServiceClient::new(self.services.query.on_behalf_of(&self.ctx));
        let parts = jobs
            .download_results(request)
            .await
            .map_err(of_peer)?
            .into_inner();
        let part = move |part: query::DownloadResultsResponse| Part {
            total_bytes: part.total_bytes,
            media: format::of_result(format),
            sha256: part.sha256,
            data: part.data,
        };
        Ok(parts.map_ok(part).map_err(of_peer).boxed())
    }
}

fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

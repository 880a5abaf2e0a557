use std::collections::HashMap;

use datacovey_error::{Error, Result};
use datacovey_proto::internal::transfer::v1::version_resolver_service_client::VersionResolverServiceClient;
use datacovey_proto::internal::transfer::v1::{ResolveVersionsRequest, ResolvedVersion};
use datacovey_server::error_of_peer;
use datacovey_types::Ctx;
use uuid::Uuid;

use super::Peers;
use crate::engine::PinnedFile;

/// Tables of one call; the peer takes no more.
const TABLES_PER_CALL: usize = 1000;

/// Their files come in one message, a file in about 300 bytes: some 200,000 files of all tables together.
const MAX_VERSIONS_BYTES: usize = 64 * 1024 * 1024;

/// The version of a table that a query reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct PinnedVersion {
    /// Versions of one content have the same rows.
    pub content_version: i64,
    pub rows: u64,
    pub size_bytes: u64,
    pub files: Vec<PinnedFile>,
    /// Sets of columns proven unique over all files together.
    pub unique: Vec<Vec<String>>,
    /// Columns with a hidden one of ids beside it in every file, sorted, and what names the key of the ids: those
    /// of one key are equal where the values are, in whichever table.
    pub identity_columns: Vec<(String, String)>,
}

impl PinnedVersion {
    /// What names the key of the ids beside this column; none if it has none.
    pub(crate) fn id_key(&self, column: &str) -> Option<&str> {
        let mut columns = self.identity_columns.iter();
        columns.find_map(|(name, key)| (name == column).then_some(key.as_str()))
    }
}

impl Peers {
    /// Pins the newest versions of these tables that the caller may query.
    ///
    /// # Errors
    /// NOT_FOUND if one of them can no longer be queried, RESOURCE_EXHAUSTED if they have too many files,
    /// UNAVAILABLE if the peer is away.
    pub(crate) async fn resolve_versions(
        &self,
        ctx: &Ctx,
        tables: &[Uuid],
    ) -> Result<HashMap<Uuid, PinnedVersion>> {
        let mut client = VersionResolverServiceClient::new(self.transfer.on_behalf_of(ctx))
            .max_decoding_message_size(MAX_VERSIONS_BYTES);
        let mut pinned = HashMap::with_capacity(tables.len());
        for tables in tables.chunks(TABLES_PER_CALL) {
            let request = ResolveVersionsRequest {
                table_ids: tables.iter().map(Uuid::to_string).collect(),
            };
            let answer = client.resolve_versions(request).await;
            let answer = answer.map_err(|status| error_of_peer("the transfer service", status))?;
            for version in answer.into_inner().versions {
                pinned.insert(
                    Uuid::parse_str(&version.table_id).map_err(Error::internal)?,
                    pin(version)?,
                );
            }
        }
        Ok(pinned)
    }
}

fn pin(sent: ResolvedVersion) -> Result<PinnedVersion> {
    let count = |sent: i64| u64::try_from(sent).map_err(Error::internal);
    let files = sent.files.into_iter().map(|file| {
        Ok(PinnedFile {
            path: file.path,
            size_bytes: count(file.size_bytes)?,
            rows: count(file.rows)?,
        })
    });
    Ok(PinnedVersion {
        content_version: sent.content_version,
        rows: count(sent.rows)?,
        size_bytes: count(sent.size_bytes)?,
        files: files.collect::<Result<_>>()?,
        unique: sent.unique_columns.into_iter().map(|set| set.columns).collect(),
        identity_columns: sent
            .identity_columns
            .into_iter()
            .map(|it| (it.column, it.key_fingerprint))
            .collect(),
    })
}

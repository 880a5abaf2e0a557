//! Types that a column may be cast to.

use super::error::RowsError;

/// Names as callers write them, and as SQL does.
const TYPES: [(&str, &str); 33] = [
    ("bigint", "bigint"),
    ("bool", "boolean"),
    ("boolean", "boolean"),
    ("bpchar", "bpchar"),
    ("bytea", "bytea"),
    ("char", "char"),
    ("character varying", "varchar"),
    ("date", "date"),
    ("decimal", "numeric"),
    ("double precision", "double precision"),
    ("float", "double precision"),
    ("float4", "real"),
    ("float8", "double precision"),
    ("int", "integer"),
    ("int2", "smallint"),
    ("int4", "integer"),
    ("int8", "bigint"),
    ("integer", "integer"),
    ("interval", "interval"),
    ("json", "json"),
    ("jsonb", "jsonb"),
    ("numeric", "numeric"),
    ("real", "real"),
    ("smallint", "smallint"),
    ("text", "text"),
    ("time", "time"),
    ("timestamp", "timestamp"),
    ("timestamp with time zone", "timestamptz"),
    ("timestamp without time zone", "timestamp"),
    ("timestamptz", "timestamptz"),
    ("tsvector", "tsvector"),
    ("uuid", "uuid"),
    ("varchar", "varchar"),
];

/// The type in SQL. Fails, as the database would, for one that is not in the list.
pub(super) fn sql_type(name: &str) -> Result<&'static str, RowsError> {
    let plain = name.trim().to_ascii_lowercase();
    match TYPES.iter().find(|it| it.0 == plain) {
        Some((_, sql)) => Ok(sql),
        None => Err(RowsError::new(
            "42704",
            format!("type \"{}\" does not exist", name.trim()),
        )),
    }
}

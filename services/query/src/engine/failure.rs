//! What the operator's log may say of a failure.

use datafusion::error::DataFusionError;

/// Names the kind of a failure, with its text only where the engine itself wrote it about memory,
/// disk or objects: other texts quote values of rows and literals of queries.
pub(super) fn describe(error: &DataFusionError) -> String {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(text) => format!("resources exhausted: {text}"),
        DataFusionError::IoError(cause) => format!("input or output: {cause}"),
        DataFusionError::ObjectStore(cause) => format!("object store: {cause}"),
        DataFusionError::ParquetError(_) => "parquet".to_owned(),
        DataFusionError::ArrowError(..) => "arrow".to_owned(),
        DataFusionError::Execution(_) => "execution".to_owned(),
        DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => "planning".to_owned(),
        DataFusionError::NotImplemented(_) => "not implemented by the engine".to_owned(),
        DataFusionError::Internal(_) => "internal to the engine".to_owned(),
        _ => "other".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_rows_stay_out_of_the_log() {
        let cast = DataFusionError::Execution("cannot cast 'ann@example.org' to Int64".to_owned());
        assert_eq!(describe(&cast.context("while scanning")), "execution");
        let memory = DataFusionError::ResourcesExhausted("failed to allocate 3 MB for sort".to_owned());
        assert!(describe(&memory).contains("3 MB"));
    }
}

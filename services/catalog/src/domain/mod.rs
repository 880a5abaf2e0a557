pub(crate) mod json;
pub(crate) mod path;
pub(crate) mod policy;
pub(crate) mod schema;
pub(crate) mod text;

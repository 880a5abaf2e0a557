pub(crate) mod json;
pub(crate) mod path;
pub(crate) mod policy;
mod rules;
pub(crate) mod schema;
pub(crate) mod text;

pub(crate) use rules::Rules;

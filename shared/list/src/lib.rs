//! Lists and partial updates as the API speaks of them: page sizes and tokens, field masks, etags.
//!
//! Pure: nothing here knows a relation or a connection. The one rule: text that a caller sent is
//! data; it becomes a value or a violation and never a panic.

mod etag;
mod mask;
mod page;

use datacovey_error::{Error, Result};

pub use etag::{check_etag, etag};
pub use mask::{Mask, UpdatableFields};
pub use page::{Binding, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, Page, Paging};

/// Refuses `filter` and `order_by`, which the API names and no list understands yet.
///
/// An empty text (blanks count as empty) asks for nothing and passes.
pub fn refuse_filter_and_order(filter: &str, order_by: &str) -> Result<()> {
    for (name, text) in [("filter", filter), ("order_by", order_by)] {
        if !text.trim().is_empty() {
            return Err(Error::not_implemented(format_args!(
                "the field \"{name}\" of a list"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use datacovey_error::Kind;

    #[test]
    fn filter_and_order_are_refused_by_name() {
        assert!(refuse_filter_and_order("", "  ").is_ok());
        for (filter, order, named) in [("name = \"a\"", "", "filter"), ("", "name desc", "order_by")] {
            let error = refuse_filter_and_order(filter, order).unwrap_err();
            assert_eq!(error.kind(), Kind::Unimplemented);
            assert!(error.message().contains(named), "{error}");
        }
    }
}

//! Lists and partial updates as the API speaks of them: filters, orders, page sizes and tokens, field
//! masks, etags.
//!
//! Pure: nothing here knows a connection. The one rule: text that a caller sent is data; it becomes a
//! value or a violation and never a panic.

mod etag;
mod field;
mod filter;
mod listing;
mod mask;
mod order;
mod page;

use datacovey_error::{Error, Result};

pub use etag::{check_etag, etag};
pub use field::{Field, Fields, Kind, Value};
pub use filter::{Comparison, Filter};
pub use listing::{ListRequest, Listing};
pub use mask::{Mask, UpdatableFields};
pub use order::{Direction, Order};
pub use page::{Binding, DEFAULT_PAGE_SIZE, MAX_PAGE_BYTES, MAX_PAGE_SIZE, Page, Paging};

/// Refuses `filter` and `order_by`, which the API names and not every list understands yet.
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

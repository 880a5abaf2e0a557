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

pub use etag::{check_etag, etag};
pub use field::{Field, Fields, Kind, Value};
pub use filter::{Comparison, Filter};
pub use listing::{ListRequest, Listing};
pub use mask::{Mask, UpdatableFields};
pub use order::{Direction, Order};
pub use page::{Binding, DEFAULT_PAGE_SIZE, MAX_PAGE_BYTES, MAX_PAGE_SIZE, Page, Paging};

use datacovey_error::{Error, Result, Violations};
use serde::Serialize;

use crate::field::Fields;
use crate::filter::Filter;
use crate::order::{Cursor, Order};
use crate::page::{Binding, Page, Paging};

/// What a list method is asked: the fields that all of them have.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListRequest<'a> {
    pub filter: &'a str,
    pub order_by: &'a str,
    pub page_size: i32,
    pub page_token: &'a str,
}

/// The fields that the request of every list method has; without `order_by` where the order is fixed.
#[macro_export]
macro_rules! list_request {
    ($request:ident, fixed_order) => {
        $crate::ListRequest {
            filter: &$request.filter,
            order_by: "",
            page_size: $request.page_size,
            page_token: &$request.page_token,
        }
    };
    ($request:ident) => {
        $crate::ListRequest {
            filter: &$request.filter,
            order_by: &$request.order_by,
            page_size: $request.page_size,
            page_token: &$request.page_token,
        }
    };
}

/// A page of a list: which rows, in which order, from where on.
#[derive(Clone, Debug)]
pub struct Listing {
    fields: &'static Fields,
    filter: Filter,
    order: Order,
    paging: Paging<Cursor>,
    /// The rows after the page before.
    after: Filter,
}

impl Listing {
    /// Reads what a request asks; notes everything that is wrong with it.
    ///
    /// `binding` names the method and holds its other fields; a page token answers only a request that
    /// is like the one that made it.
    pub fn parse(
        fields: &'static Fields,
        binding: Binding,
        request: ListRequest<'_>,
        violations: &mut Violations,
    ) -> Option<Self> {
        let filter = Filter::parse(request.filter, fields, violations);
        let order = Order::parse(request.order_by, fields, violations);
        Self::of(fields, filter.zip(order), binding, request, violations)
    }

    /// The same for a method whose order is fixed: the latest first, by the key.
    pub fn parse_newest_first(
        fields: &'static Fields,
        binding: Binding,
        request: ListRequest<'_>,
        violations: &mut Violations,
    ) -> Option<Self> {
        let filter = Filter::parse(request.filter, fields, violations);
        let rows = filter.map(|filter| (filter, Order::newest_first(fields)));
        Self::of(fields, rows, binding, request, violations)
    }

    fn of(
        fields: &'static Fields,
        rows: Option<(Filter, Order)>,
        binding: Binding,
        request: ListRequest<'_>,
        violations: &mut Violations,
    ) -> Option<Self> {
        let binding = binding
            .with("filter", request.filter)
            .with("order_by", request.order_by);
        let paging = Paging::parse(binding, request.page_size, request.page_token, violations);
        let ((filter, order), paging) = (rows?, paging?);
        let after = match &paging.after {
            None => Filter::everything(),
            Some(cursor) => match order.after(cursor) {
                Some(after) => after,
                // Sealed by us for this very request: only a program of another version makes such a one.
                None => {
                    violations.add(
                        "page_token",
                        "is of another version; begin again with the first page",
                    );
                    return None;
                }
            },
        };
        Some(Self {
            fields,
            filter,
            order,
            paging,
            after,
        })
    }

    #[must_use]
    pub fn fields(&self) -> &'static Fields {
        self.fields
    }

    /// Which rows: those that the filter lets through, after the page before.
    #[must_use]
    pub fn filter(&self) -> Filter {
        self.after.clone().and(self.filter.clone())
    }

    /// Whether the caller filters or orders, so that a statement is one of many.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.filter.is_everything() && self.order == Order::by_key(self.fields)
    }

    #[must_use]
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// How many rows a statement must fetch.
    #[must_use]
    pub fn limit(&self) -> i64 {
        self.paging.limit()
    }

    /// The page of the rows that a statement gave, in the list's order. A row serializes to an object with
    /// its columns.
    pub fn page<T: Serialize>(&self, rows: Vec<T>) -> Result<Page<T>> {
        self.page_within(rows, |_| 0)
    }

    /// The same for rows of any size (see [`Paging::page_within`]).
    pub fn page_within<T: Serialize>(&self, rows: Vec<T>, bytes: impl Fn(&T) -> usize) -> Result<Page<T>> {
        self.paging.page_within(rows, bytes, |row| self.cursor(row))
    }

    /// The same for rows that hold the listed one beside others.
    pub fn page_of<T, R: Serialize>(&self, rows: Vec<T>, listed: impl Fn(&T) -> &R) -> Result<Page<T>> {
        self.paging
            .page_within(rows, |_| 0, |row| self.cursor(listed(row)))
    }

    /// Rows of two statements as one list.
    pub fn merge<T: Serialize>(&self, one: Vec<T>, other: Vec<T>) -> Result<Vec<T>> {
        let both = one.into_iter().chain(other);
        let mut rows = both
            .map(|row| Ok((self.cursor(&row)?, row)))
            .collect::<Result<Vec<_>>>()?;
        rows.sort_by(|(one, _), (other, _)| self.order.compare(one, other));
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    fn cursor(&self, row: &impl Serialize) -> Result<Cursor> {
        let row = serde_json::to_value(row).map_err(Error::internal)?;
        Ok(self.order.cursor(&row))
    }
}

//! Queries: WITH, set operations, SELECT, VALUES, ORDER BY, LIMIT.

use datafusion::sql::sqlparser::ast::{
    Cte, Distinct, ExceptSelectItem, Expr, GroupByExpr, LimitClause, NamedWindowDefinition, NamedWindowExpr,
    Offset, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, Parens, Query, Select, SelectFlavor,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, Spanned, TableAlias,
    TableAliasColumnDef, Value, Values, WildcardAdditionalOptions, With,
};

use super::{Gate, position};
use crate::violation::{Position, Violation, ViolationCode};

impl Gate<'_> {
    pub(super) fn query(&mut self, query: &Query) {
        self.nested(|gate| gate.query_parts(query));
    }

    fn query_parts(&mut self, query: &Query) {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        let at = position(query.span());
        if let Some(with) = with {
            self.with(with);
        }
        self.set_expression(body);
        if let Some(order_by) = order_by {
            self.order_by(order_by, at);
        }
        if let Some(limit) = limit_clause {
            self.limit(limit, at);
        }
        self.unsupported_if(fetch.is_some(), "FETCH (write LIMIT)", at);
        self.unsupported_if(!locks.is_empty(), "FOR UPDATE or FOR SHARE", at);
        self.unsupported_if(for_clause.is_some(), "A FOR clause", at);
        self.unsupported_if(settings.is_some(), "SETTINGS", at);
        self.unsupported_if(format_clause.is_some(), "FORMAT", at);
        self.unsupported_if(!pipe_operators.is_empty(), "The pipe operator |>", at);
    }

    fn with(&mut self, with: &With) {
        let With {
            with_token,
            recursive,
            cte_tables,
        } = with;
        self.unsupported_if(*recursive, "WITH RECURSIVE", position(with_token.0.span));
        for Cte {
            alias,
            query,
            from,
            materialized,
            closing_paren_token: _,
        } in cte_tables
        {
            let at = position(alias.name.span);
            self.alias(alias);
            self.unsupported_if(from.is_some(), "FROM after a WITH query", at);
            self.unsupported_if(materialized.is_some(), "MATERIALIZED", at);
            self.named_queries.insert(alias.name.value.clone());
            self.query(query);
        }
    }

    pub(super) fn alias(&mut self, alias: &TableAlias) {
        let TableAlias {
            explicit: _,
            name,
            columns,
            at,
        } = alias;
        self.identifier(name);
        for TableAliasColumnDef { name, data_type } in columns {
            self.identifier(name);
            self.unsupported_if(data_type.is_some(), "A type in an alias", position(name.span));
        }
        self.unsupported_if(at.is_some(), "AT in an alias", position(name.span));
    }

    fn set_expression(&mut self, body: &SetExpr) {
        let at = position(body.span());
        match body {
            SetExpr::Select(select) => self.nested(|gate| gate.select(select)),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation {
                op,
                set_quantifier,
                left,
                right,
            } => {
                self.set_operator(*op, *set_quantifier, at);
                self.nested(|gate| {
                    gate.set_expression(left);
                    gate.set_expression(right);
                });
            }
            SetExpr::Values(values) => self.values(values, at),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                let message = "A query is one SELECT; nothing is written by it.";
                self.violations
                    .push(Violation::new(ViolationCode::StatementNotAllowed, "H15", message).at(at));
            }
            SetExpr::Table(_) => self.unsupported("TABLE (write SELECT)", at),
        }
    }

    fn set_operator(&mut self, op: SetOperator, quantifier: SetQuantifier, at: Option<Position>) {
        match (op, quantifier) {
            (SetOperator::Union, SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None)
            | (SetOperator::Intersect | SetOperator::Except, SetQuantifier::Distinct | SetQuantifier::None) =>
                {}
            (SetOperator::Intersect | SetOperator::Except, SetQuantifier::All) => {
                let message = format!("{op} ALL is not supported: it would not count repeated rows.");
                let violation = Violation::new(ViolationCode::ClauseNotSupported, "H15", message);
                self.violations
                    .push(violation.at(at).rewrite(format!("{op} DISTINCT")));
            }
            (op, quantifier) => self.unsupported(&format!("{op} {quantifier}"), at),
        }
    }

    fn values(&mut self, values: &Values, at: Option<Position>) {
        let Values {
            explicit_row,
            value_keyword,
            rows,
        } = values;
        self.unsupported_if(*explicit_row, "ROW in VALUES", at);
        self.unsupported_if(*value_keyword, "VALUE (write VALUES)", at);
        for Parens {
            opening_token: _,
            content,
            closing_token: _,
        } in rows
        {
            for expr in content {
                self.expression(expr);
            }
        }
    }

    fn select(&mut self, select: &Select) {
        let Select {
            select_token,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        let at = position(select_token.0.span).or_else(|| position(select.span()));
        self.unsupported_if(!optimizer_hints.is_empty(), "A hint", at);
        match distinct {
            None | Some(Distinct::All | Distinct::Distinct) => {}
            Some(Distinct::On(_)) => self.unsupported("DISTINCT ON", at),
        }
        self.unsupported_if(
            select_modifiers.as_ref().is_some_and(|m| m.is_any_set()),
            "A modifier of SELECT",
            at,
        );
        self.unsupported_if(top.is_some(), "TOP (write LIMIT)", at);
        self.unsupported_if(exclude.is_some(), "EXCLUDE", at);
        self.unsupported_if(into.is_some(), "SELECT INTO", at);
        self.unsupported_if(!lateral_views.is_empty(), "LATERAL VIEW", at);
        self.unsupported_if(prewhere.is_some(), "PREWHERE (write WHERE)", at);
        self.unsupported_if(!connect_by.is_empty(), "CONNECT BY", at);
        self.unsupported_if(!cluster_by.is_empty(), "CLUSTER BY", at);
        self.unsupported_if(!distribute_by.is_empty(), "DISTRIBUTE BY", at);
        self.unsupported_if(!sort_by.is_empty(), "SORT BY (write ORDER BY)", at);
        self.unsupported_if(value_table_mode.is_some(), "SELECT AS STRUCT or AS VALUE", at);
        self.unsupported_if(*flavor != SelectFlavor::Standard, "FROM before SELECT", at);
        for item in projection {
            self.select_item(item, at);
        }
        for table in from {
            self.table_with_joins(table);
        }
        for expr in [selection, having, qualify].into_iter().flatten() {
            self.expression(expr);
        }
        self.group_by(group_by, at);
        for NamedWindowDefinition(name, window) in named_window {
            self.identifier(name);
            match window {
                NamedWindowExpr::NamedWindow(other) => {
                    self.unsupported("A window named after another", position(other.span))
                }
                NamedWindowExpr::WindowSpec(spec) => self.window(spec, at),
            }
        }
    }

    fn select_item(&mut self, item: &SelectItem, at: Option<Position>) {
        match item {
            SelectItem::UnnamedExpr(expr) => self.expression(expr),
            SelectItem::ExprWithAlias { expr, alias } => {
                self.expression(expr);
                self.identifier(alias);
            }
            SelectItem::ExprWithAliases { expr: _, aliases: _ } => {
                self.unsupported("Several aliases of one expression", at)
            }
            SelectItem::QualifiedWildcard(kind, options) => {
                match kind {
                    SelectItemQualifiedWildcardKind::ObjectName(name) => {
                        self.name(name);
                    }
                    SelectItemQualifiedWildcardKind::Expr(_) => {
                        self.unsupported("The fields of an expression", at)
                    }
                }
                self.wildcard(options, at);
            }
            SelectItem::Wildcard(options) => self.wildcard(options, at),
        }
    }

    fn wildcard(&mut self, options: &WildcardAdditionalOptions, at: Option<Position>) {
        let WildcardAdditionalOptions {
            wildcard_token: _,
            opt_ilike,
            opt_exclude,
            opt_except,
            opt_replace,
            opt_rename,
            opt_alias,
        } = options;
        self.unsupported_if(opt_ilike.is_some(), "ILIKE after *", at);
        self.unsupported_if(opt_exclude.is_some(), "EXCLUDE after *", at);
        if let Some(ExceptSelectItem {
            first_element,
            additional_elements,
        }) = opt_except
        {
            self.identifier(first_element);
            additional_elements
                .iter()
                .for_each(|column| self.identifier(column));
        }
        self.unsupported_if(opt_replace.is_some(), "REPLACE after *", at);
        self.unsupported_if(opt_rename.is_some(), "RENAME after *", at);
        self.unsupported_if(opt_alias.is_some(), "An alias of *", at);
    }

    fn group_by(&mut self, group_by: &GroupByExpr, at: Option<Position>) {
        let (expressions, modifiers) = match group_by {
            GroupByExpr::All(modifiers) => (&[][..], modifiers),
            GroupByExpr::Expressions(expressions, modifiers) => (expressions.as_slice(), modifiers),
        };
        for modifier in modifiers {
            self.unsupported(&format!("GROUP BY {modifier}"), at);
        }
        for expr in expressions {
            self.expression(expr);
        }
    }

    fn order_by(&mut self, order_by: &OrderBy, at: Option<Position>) {
        let OrderBy { kind, interpolate } = order_by;
        self.unsupported_if(interpolate.is_some(), "INTERPOLATE", at);
        match kind {
            OrderByKind::All(_) => self.unsupported("ORDER BY ALL (name the columns)", at),
            OrderByKind::Expressions(expressions) => self.order_by_expressions(expressions),
        }
    }

    pub(super) fn order_by_expressions(&mut self, expressions: &[OrderByExpr]) {
        for OrderByExpr {
            expr,
            options: OrderByOptions {
                asc: _,
                nulls_first: _,
            },
            with_fill,
        } in expressions
        {
            self.unsupported_if(with_fill.is_some(), "WITH FILL", position(expr.span()));
            self.expression(expr);
        }
    }

    fn limit(&mut self, limit: &LimitClause, at: Option<Position>) {
        match limit {
            LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            } => {
                self.unsupported_if(!limit_by.is_empty(), "LIMIT BY", at);
                if let Some(limit) = limit {
                    self.row_count(limit, "LIMIT", at);
                }
                if let Some(Offset { value, rows: _ }) = offset {
                    self.row_count(value, "OFFSET", at);
                }
            }
            LimitClause::OffsetCommaLimit { offset, limit } => {
                self.row_count(offset, "OFFSET", at);
                self.row_count(limit, "LIMIT", at);
            }
        }
    }

    /// A computed row count could be a subquery, and would be read where no rule looks.
    fn row_count(&mut self, expr: &Expr, what: &str, at: Option<Position>) {
        let literal = matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(number, _)
            if number.to_string().parse::<u32>().is_ok()));
        if !literal {
            let message = format!("{what} takes a whole number, from 0 to {}.", u32::MAX);
            let violation = Violation::new(ViolationCode::ClauseNotSupported, "H16", message);
            self.violations.push(violation.at(position(expr.span()).or(at)));
        }
    }
}

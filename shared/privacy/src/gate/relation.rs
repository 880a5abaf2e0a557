//! What stands in FROM: tables, subqueries, joins.

use datafusion::sql::sqlparser::ast::{
    Join, JoinConstraint, JoinOperator, ObjectName, Spanned, TableAlias, TableFactor, TableWithJoins,
};

use super::{Gate, position};
use crate::violation::{Position, Violation, ViolationCode};

impl Gate<'_> {
    pub(super) fn table_with_joins(&mut self, table: &TableWithJoins) {
        let TableWithJoins { relation, joins } = table;
        self.nested(|gate| {
            gate.relation(relation);
            for Join {
                relation,
                global,
                join_operator,
            } in joins
            {
                let at = position(relation.span());
                gate.unsupported_if(*global, "GLOBAL JOIN", at);
                gate.relation(relation);
                gate.join_operator(join_operator, at);
            }
        });
    }

    fn relation(&mut self, relation: &TableFactor) {
        let at = position(relation.span());
        self.relations += 1;
        if self.relations > self.limits.relations {
            let message = format!(
                "The statement names more than {} tables and subqueries.",
                self.limits.relations
            );
            self.violations
                .push(Violation::new(ViolationCode::TooLarge, "limits", message));
            return;
        }
        match relation {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                self.unsupported_if(args.is_some(), "A table function", at);
                self.unsupported_if(!with_hints.is_empty(), "WITH (hints) after a table", at);
                self.unsupported_if(version.is_some(), "A version of a table", at);
                self.unsupported_if(*with_ordinality, "WITH ORDINALITY", at);
                self.unsupported_if(!partitions.is_empty(), "PARTITION", at);
                self.unsupported_if(json_path.is_some(), "A path into a table", at);
                self.unsupported_if(sample.is_some(), "TABLESAMPLE or SAMPLE", at);
                self.unsupported_if(!index_hints.is_empty(), "An index hint", at);
                self.table(name, at);
                self.optional_alias(alias.as_ref());
            }
            TableFactor::Derived {
                lateral,
                subquery,
                alias,
                sample,
            } => {
                self.unsupported_if(*lateral, "LATERAL", at);
                self.unsupported_if(sample.is_some(), "TABLESAMPLE or SAMPLE", at);
                self.query(subquery);
                self.optional_alias(alias.as_ref());
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => {
                self.table_with_joins(table_with_joins);
                self.optional_alias(alias.as_ref());
            }
            TableFactor::TableFunction { expr: _, alias: _ }
            | TableFactor::Function {
                lateral: _,
                name: _,
                args: _,
                with_ordinality: _,
                alias: _,
            } => {
                self.unsupported("A table function", at);
            }
            TableFactor::UNNEST { .. } => self.unsupported("UNNEST", at),
            TableFactor::JsonTable { .. } | TableFactor::OpenJsonTable { .. } => {
                self.unsupported("JSON_TABLE", at)
            }
            TableFactor::Pivot { .. } => self.unsupported("PIVOT", at),
            TableFactor::Unpivot { .. } => self.unsupported("UNPIVOT", at),
            TableFactor::MatchRecognize { .. } => self.unsupported("MATCH_RECOGNIZE", at),
            TableFactor::XmlTable { .. } => self.unsupported("XMLTABLE", at),
            TableFactor::SemanticView { .. } => self.unsupported("SEMANTIC_VIEW", at),
        }
    }

    fn optional_alias(&mut self, alias: Option<&TableAlias>) {
        if let Some(alias) = alias {
            self.alias(alias);
        }
    }

    /// Names every unknown table at once; the planner would stop at the first.
    fn table(&mut self, name: &ObjectName, at: Option<Position>) {
        let words = self.name(name);
        let known = match words.as_slice() {
            [bare] if self.named_queries.contains(bare) => true,
            [bare] => bare
                .split_once('.')
                .is_some_and(|(dataset, table)| self.catalog.find(dataset, table).is_some()),
            [dataset, table] => self.catalog.find(dataset, table).is_some(),
            _ => false,
        };
        if !known {
            self.violations.push(unknown_table(&words.join(".")).at(at));
        }
    }

    fn join_operator(&mut self, operator: &JoinOperator, at: Option<Position>) {
        match operator {
            JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint) => {
                // The planner takes the left one of the two columns, which is not there in every row.
                let merges = matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural);
                if merges {
                    let message = "RIGHT and FULL joins with USING or NATURAL are not supported.";
                    let violation = Violation::new(ViolationCode::ClauseNotSupported, "H15", message);
                    self.violations.push(
                        violation
                            .at(at)
                            .rewrite("ON a.key = b.key, and COALESCE(a.key, b.key)"),
                    );
                }
                self.join_constraint(constraint);
            }
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::LeftSemi(constraint)
            | JoinOperator::RightSemi(constraint)
            | JoinOperator::LeftAnti(constraint)
            | JoinOperator::RightAnti(constraint)
            | JoinOperator::CrossJoin(constraint) => self.join_constraint(constraint),
            JoinOperator::Semi(_) | JoinOperator::Anti(_) => {
                self.unsupported(
                    "SEMI JOIN and ANTI JOIN without a side (write LEFT SEMI JOIN)",
                    at,
                );
            }
            JoinOperator::CrossApply | JoinOperator::OuterApply => self.unsupported("APPLY", at),
            JoinOperator::AsOf {
                match_condition: _,
                constraint: _,
            } => self.unsupported("ASOF JOIN", at),
            JoinOperator::StraightJoin(_) => self.unsupported("STRAIGHT_JOIN", at),
            JoinOperator::ArrayJoin | JoinOperator::LeftArrayJoin | JoinOperator::InnerArrayJoin => {
                self.unsupported("ARRAY JOIN", at);
            }
        }
    }

    fn join_constraint(&mut self, constraint: &JoinConstraint) {
        match constraint {
            JoinConstraint::On(expr) => self.expression(expr),
            JoinConstraint::Using(names) => {
                for name in names {
                    self.name(name);
                }
            }
            JoinConstraint::Natural | JoinConstraint::None => {}
        }
    }
}

/// One message for a table that does not exist, is archived, is not visible, or that the caller may not query: which
/// of them it is would tell about other tenants.
pub(crate) fn unknown_table(name: &str) -> Violation {
    let message = format!(
        "There is no table {name} that you may query: tables are named dataset.table, and another tenant's table needs \
         a policy that names you as an analyst."
    );
    Violation::new(ViolationCode::UnknownTable, "scan", message).table(name)
}

//! Conditions and columns as SQL.

use datacovey_proto::internal::rows::v1::condition::Operand;
use datacovey_proto::internal::rows::v1::filter::Node;
use datacovey_proto::internal::rows::v1::json_step::Key;
use datacovey_proto::internal::rows::v1::{ColumnPath, Condition, Filter, JsonStep, Operator, Quantifier};
use datacovey_rest::ColumnType;

use super::error::RowsError;
use super::select::Source;
use super::sql::Sql;

/// Deeper trees come from no gateway; PostgreSQL and this program would need a stack for them.
const MAX_DEPTH: usize = 64;

/// Writes a condition, in parentheses.
pub(super) fn write_filter(sql: &mut Sql, source: &Source<'_>, filter: &Filter) -> Result<(), RowsError> {
    write_node(sql, source, filter, 0)
}

fn write_node(sql: &mut Sql, source: &Source<'_>, filter: &Filter, depth: usize) -> Result<(), RowsError> {
    if depth > MAX_DEPTH {
        let message = format!("conditions are nested more than {MAX_DEPTH} deep");
        return Err(RowsError::new("54000", message).refused());
    }
    sql.push(if filter.negated { "NOT (" } else { "(" });
    match &filter.node {
        Some(Node::And(list)) => write_list(sql, source, &list.filters, (" AND ", "true"), depth)?,
        Some(Node::Or(list)) => write_list(sql, source, &list.filters, (" OR ", "false"), depth)?,
        Some(Node::Condition(condition)) => write_condition(sql, source, condition)?,
        Some(Node::Unrelated(name)) => {
            let embedded = source.embedded(name)?;
            sql.push(&embedded.alias).push(".here IS NOT TRUE");
        }
        None => return Err(RowsError::malformed("condition")),
    }
    sql.push(")");
    Ok(())
}

fn write_list(
    sql: &mut Sql,
    source: &Source<'_>,
    filters: &[Filter],
    (between, none): (&str, &str),
    depth: usize,
) -> Result<(), RowsError> {
    if filters.is_empty() {
        sql.push(none);
    }
    for (place, filter) in filters.iter().enumerate() {
        if place > 0 {
            sql.push(between);
        }
        write_node(sql, source, filter, depth + 1)?;
    }
    Ok(())
}

fn write_condition(sql: &mut Sql, source: &Source<'_>, condition: &Condition) -> Result<(), RowsError> {
    let column = condition
        .column
        .as_ref()
        .ok_or_else(|| RowsError::malformed("column"))?;
    let operator = condition.operator();
    if let Some(function) = text_search(operator) {
        return write_text_search(sql, source, column, condition, function);
    }
    write_column(sql, source, column)?;
    if operator == Operator::Is {
        sql.push(is_what(value_of(condition)?)?);
        return Ok(());
    }
    sql.push(symbol(operator)?);
    match (condition.quantifier(), &condition.operand) {
        (Quantifier::Unspecified, Some(Operand::Values(list))) if operator == Operator::In => {
            sql.push("ANY (").values(&list.values).push(")");
        }
        (Quantifier::Any, Some(Operand::Value(value))) => {
            sql.push("ANY (").value(value).push(")");
        }
        (Quantifier::All, Some(Operand::Value(value))) => {
            sql.push("ALL (").value(value).push(")");
        }
        (Quantifier::Unspecified, Some(Operand::Value(value))) if operator != Operator::In => {
            sql.value(value);
        }
        _ => return Err(RowsError::malformed("value that fits its operator")),
    }
    Ok(())
}

fn value_of(condition: &Condition) -> Result<&str, RowsError> {
    match &condition.operand {
        Some(Operand::Value(value)) => Ok(value),
        _ => Err(RowsError::malformed("value")),
    }
}

fn is_what(word: &str) -> Result<&'static str, RowsError> {
    Ok(match word {
        "null" => " IS NULL",
        "not_null" => " IS NOT NULL",
        "true" => " IS TRUE",
        "false" => " IS FALSE",
        "unknown" => " IS UNKNOWN",
        _ => return Err(RowsError::malformed("value of IS")),
    })
}

fn symbol(operator: Operator) -> Result<&'static str, RowsError> {
    Ok(match operator {
        Operator::Eq | Operator::In => " = ",
        Operator::Neq => " <> ",
        Operator::Gt => " > ",
        Operator::Gte => " >= ",
        Operator::Lt => " < ",
        Operator::Lte => " <= ",
        Operator::Like => " LIKE ",
        Operator::Ilike => " ILIKE ",
        Operator::Match => " ~ ",
        Operator::Imatch => " ~* ",
        Operator::IsDistinct => " IS DISTINCT FROM ",
        Operator::Contains => " @> ",
        Operator::Contained => " <@ ",
        Operator::Overlaps => " && ",
        Operator::StrictlyLeft => " << ",
        Operator::StrictlyRight => " >> ",
        Operator::NotExtendsRight => " &< ",
        Operator::NotExtendsLeft => " &> ",
        Operator::Adjacent => " -|- ",
        _ => return Err(RowsError::malformed("operator")),
    })
}

fn text_search(operator: Operator) -> Option<&'static str> {
    match operator {
        Operator::Fts => Some("to_tsquery("),
        Operator::Plfts => Some("plainto_tsquery("),
        Operator::Phfts => Some("phraseto_tsquery("),
        Operator::Wfts => Some("websearch_to_tsquery("),
        _ => None,
    }
}

fn write_text_search(
    sql: &mut Sql,
    source: &Source<'_>,
    column: &ColumnPath,
    condition: &Condition,
    function: &str,
) -> Result<(), RowsError> {
    let config = condition.text_search_config.as_deref();
    let write_config = |sql: &mut Sql| {
        if let Some(config) = config {
            sql.push("CAST(").value(config).push(" AS regconfig), ");
        }
    };
    sql.push("to_tsvector(");
    write_config(sql);
    write_column(sql, source, column)?;
    sql.push(") @@ ").push(function);
    write_config(sql);
    sql.value(value_of(condition)?).push(")");
    Ok(())
}

/// Writes a column, or what is within its JSON. Whether that is JSON.
pub(super) fn write_column(sql: &mut Sql, source: &Source<'_>, path: &ColumnPath) -> Result<bool, RowsError> {
    let column = source
        .relation
        .column(&path.column)
        .ok_or_else(|| RowsError::no_column(&source.alias, &path.column))?;
    let is_json = column.kind == ColumnType::Jsonb;
    write_steps(sql, is_json, &path.steps, |sql| {
        sql.name(&source.alias).push(".").name(&column.name);
    })
}

/// Writes steps into a value. Whether that is JSON.
pub(super) fn write_steps(
    sql: &mut Sql,
    is_json: bool,
    steps: &[JsonStep],
    value: impl FnOnce(&mut Sql),
) -> Result<bool, RowsError> {
    let Some(last) = steps.last() else {
        value(sql);
        return Ok(is_json);
    };
    sql.push(if is_json { "(" } else { "(to_jsonb(" });
    value(sql);
    if !is_json {
        sql.push(")");
    }
    for step in steps {
        sql.push(if step.as_text { " ->> " } else { " -> " });
        match &step.key {
            Some(Key::Name(name)) => {
                sql.push("CAST(").value(name).push(" AS text)");
            }
            Some(Key::Index(index)) => {
                sql.push(&format!("({index})"));
            }
            None => return Err(RowsError::malformed("step")),
        }
    }
    sql.push(")");
    Ok(!last.as_text)
}

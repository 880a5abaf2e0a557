//! What descriptors and tickets ask for.
//!
//! A path names a thing (`table/<id or name>`, `export_job/<id>`, `query_job/<id>`), a command is a JSON
//! object that says more. A ticket is either, as text.

use arrow_flight::FlightDescriptor;
use arrow_flight::flight_descriptor::DescriptorType;
use datacovey_error::{Error, Result, Violations};
use datacovey_proto::transfer::v1::ImportMode;
use prost::Message as _;
use prost_types::Struct;
use serde_json::{Map, Value};

use super::json;

/// Where DoPut puts rows, and how.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    /// UUID, name or `dataset.name`.
    pub(super) table: String,
    pub(super) mode: ImportMode,
    pub(super) max_bad_records: i64,
    /// Under which a repeat is the same import; none if empty.
    pub(super) request_id: String,
}

/// Rows that can be had.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    Job(Job),
    /// A table, which is exported first.
    Table {
        table: String,
        version: Option<i64>,
        columns: Vec<String>,
    },
    /// A statement, which is run first.
    Statement {
        project_id: String,
        query_text: String,
        parameters: Option<Struct>,
    },
}

/// A job that has rows once it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Job {
    Export(String),
    Query(String),
}

impl Job {
    /// Its relation, as tickets and errors name it.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Export(_) => "export_job",
            Self::Query(_) => "query_job",
        }
    }

    pub(super) fn id(&self) -> &str {
        match self {
            Self::Export(id) | Self::Query(id) => id,
        }
    }

    /// The ticket for its rows.
    pub(super) fn ticket(&self) -> String {
        format!("{}/{}", self.kind(), self.id())
    }

    fn named(kind: &str, id: &str) -> Option<Self> {
        match kind {
            "export_job" => Some(Self::Export(id.to_owned())),
            "query_job" => Some(Self::Query(id.to_owned())),
            _ => None,
        }
    }
}

/// The two ways in which a descriptor says something.
enum Said {
    Path(Vec<String>),
    Command(Map<String, Value>),
}

impl Target {
    /// Reads the encoded descriptor that the first message of DoPut has.
    pub(super) fn of_descriptor(encoded: Option<&[u8]>) -> Result<Self> {
        let missing = || {
            let what = "the first message needs one: a path [\"table\", ID or name], or a command \
                        {\"table\": ID or name, \"mode\": …}";
            Error::invalid_field("flight_descriptor", what)
        };
        let encoded = encoded.filter(|it| !it.is_empty()).ok_or_else(missing)?;
        let descriptor = FlightDescriptor::decode(encoded).map_err(|error| {
            Error::invalid_field("flight_descriptor", format!("is no FlightDescriptor: {error}"))
        })?;
        match Said::of(&descriptor)? {
            Said::Path(path) => match path.as_slice() {
                [kind, table] if kind == "table" => Ok(Self {
                    table: table.clone(),
                    mode: ImportMode::Append,
                    max_bad_records: 0,
                    request_id: String::new(),
                }),
                _ => Err(missing()),
            },
            Said::Command(command) => Self::of_command(command),
        }
    }

    fn of_command(command: Map<String, Value>) -> Result<Self> {
        let mut violations = Violations::new();
        let mut fields = json::Fields::new(command, "flight_descriptor.cmd");
        let table = fields.text("table", &mut violations);
        if table.is_none() {
            violations.add(fields.path("table"), "is required: the id or name of a table");
        }
        let mode = fields.text("mode", &mut violations);
        let mode = match mode.as_deref() {
            None | Some("append") => ImportMode::Append,
            Some("replace") => ImportMode::Replace,
            Some("empty_only") => ImportMode::EmptyOnly,
            Some(_) => {
                violations.add(fields.path("mode"), "must be append, replace or empty_only");
                ImportMode::Unspecified
            }
        };
        let max_bad_records = fields.number("max_bad_records", &mut violations).unwrap_or(0);
        let request_id = fields.text("request_id", &mut violations).unwrap_or_default();
        fields.nothing_else(
            &["table", "mode", "max_bad_records", "request_id"],
            &mut violations,
        );
        json::valid(violations)?;
        Ok(Self {
            table: table.unwrap_or_default(),
            mode,
            max_bad_records,
            request_id,
        })
    }
}

impl Asked {
    pub(super) fn of_descriptor(descriptor: &FlightDescriptor) -> Result<Self> {
        match Said::of(descriptor)? {
            Said::Path(path) => match path.as_slice() {
                [kind, name] => Self::named(kind, name),
                _ => None,
            }
            .ok_or_else(|| {
                let what = "must be [\"table\", ID or name], [\"export_job\", ID] or [\"query_job\", ID]";
                Error::invalid_field("path", what)
            }),
            Said::Command(command) => Self::of_command(command, "cmd"),
        }
    }

    pub(super) fn of_ticket(ticket: &[u8]) -> Result<Self> {
        let wrong = || {
            let what = "must be export_job/ID, query_job/ID, table/ID or a JSON object, as text";
            Error::invalid_field("ticket", what)
        };
        let text = std::str::from_utf8(ticket).map_err(|_| wrong())?;
        if text.trim_start().starts_with('{') {
            return Self::of_command(json::object(ticket, "ticket")?, "ticket");
        }
        let named = text
            .split_once('/')
            .and_then(|(kind, name)| Self::named(kind, name));
        named.ok_or_else(wrong)
    }

    fn named(kind: &str, name: &str) -> Option<Self> {
        if kind == "table" {
            return Some(Self::Table {
                table: name.to_owned(),
                version: None,
                columns: Vec::new(),
            });
        }
        Job::named(kind, name).map(Self::Job)
    }

    fn of_command(command: Map<String, Value>, path: &'static str) -> Result<Self> {
        const WAYS: [&str; 4] = ["export_job", "query_job", "table", "query"];
        let mut violations = Violations::new();
        let mut fields = json::Fields::new(command, path);
        let ways: Vec<_> = WAYS.into_iter().filter(|it| fields.has(it)).collect();
        let [way] = ways.as_slice() else {
            let what = "must have one of export_job, query_job, table and query";
            return Err(Error::invalid_field(path, what));
        };
        let named = fields.text(way, &mut violations).unwrap_or_default();
        let asked = match *way {
            "table" => {
                let version = fields.number("version", &mut violations);
                let columns = fields.texts("columns", &mut violations);
                fields.nothing_else(&["table", "version", "columns"], &mut violations);
                Self::Table {
                    table: named,
                    version,
                    columns,
                }
            }
            "query" => {
                let project_id = fields.text("project_id", &mut violations);
                if project_id.is_none() {
                    violations.add(fields.path("project_id"), "is required with query");
                }
                let parameters = fields.object("parameters", &mut violations);
                fields.nothing_else(&["query", "project_id", "parameters"], &mut violations);
                Self::Statement {
                    project_id: project_id.unwrap_or_default(),
                    query_text: named,
                    parameters: parameters.map(json::to_struct),
                }
            }
            "export_job" => {
                fields.nothing_else(&["export_job"], &mut violations);
                Self::Job(Job::Export(named))
            }
            _ => {
                fields.nothing_else(&["query_job"], &mut violations);
                Self::Job(Job::Query(named))
            }
        };
        json::valid(violations)?;
        Ok(asked)
    }
}

impl Said {
    fn of(descriptor: &FlightDescriptor) -> Result<Self> {
        match descriptor.r#type() {
            DescriptorType::Path => Ok(Self::Path(descriptor.path.clone())),
            DescriptorType::Cmd => json::object(&descriptor.cmd, "cmd").map(Self::Command),
            DescriptorType::Unknown => Err(Error::invalid_field("type", "must be PATH or CMD")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(path: &[&str]) -> FlightDescriptor {
        FlightDescriptor::new_path(path.iter().map(|it| (*it).to_owned()).collect())
    }

    fn command(command: &Value) -> FlightDescriptor {
        FlightDescriptor::new_cmd(command.to_string())
    }

    fn target(descriptor: &FlightDescriptor) -> Result<Target> {
        Target::of_descriptor(Some(&descriptor.encode_to_vec()))
    }

    fn fields(error: &Error) -> Vec<&str> {
        error.violations().iter().map(|it| it.field.as_str()).collect()
    }

    #[test]
    fn a_target_is_a_path_or_a_command() {
        let plain = Target {
            table: "shop.orders".to_owned(),
            mode: ImportMode::Append,
            max_bad_records: 0,
            request_id: String::new(),
        };
        assert_eq!(target(&path(&["table", "shop.orders"])).unwrap(), plain);
        assert_eq!(target(&command(&json!({"table": "shop.orders"}))).unwrap(), plain);
        let whole =
            json!({"table": "shop.orders", "mode": "replace", "max_bad_records": 3, "request_id": "once"});
        let expected = Target {
            mode: ImportMode::Replace,
            max_bad_records: 3,
            request_id: "once".to_owned(),
            ..plain
        };
        assert_eq!(target(&command(&whole)).unwrap(), expected);
    }

    #[test]
    fn all_that_is_wrong_with_a_target_is_said_at_once() {
        let wrong = json!({"tabel": "x", "mode": "merge", "max_bad_records": "many"});
        let error = target(&command(&wrong)).unwrap_err();
        assert_eq!(
            fields(&error),
            [
                "flight_descriptor.cmd.table",
                "flight_descriptor.cmd.mode",
                "flight_descriptor.cmd.max_bad_records",
                "flight_descriptor.cmd.tabel",
            ]
        );
        for descriptor in [path(&[]), path(&["table"]), path(&["tables", "x"])] {
            assert_eq!(fields(&target(&descriptor).unwrap_err()), ["flight_descriptor"]);
        }
        for encoded in [None, Some(&b""[..]), Some(b"\xff\xff")] {
            let error = Target::of_descriptor(encoded).unwrap_err();
            assert_eq!(fields(&error), ["flight_descriptor"]);
        }
        for cmd in ["", "[]", "{", "\u{0}"] {
            let error = target(&FlightDescriptor::new_cmd(cmd)).unwrap_err();
            assert_eq!(fields(&error), ["cmd"]);
        }
    }

    #[test]
    fn rows_are_asked_for_by_path_command_or_ticket() {
        let export = Asked::Job(Job::Export("e".to_owned()));
        let query = Asked::Job(Job::Query("q".to_owned()));
        let table = |version, columns: &[&str]| Asked::Table {
            table: "t".to_owned(),
            version,
            columns: columns.iter().map(|it| (*it).to_owned()).collect(),
        };
        for (as_path, as_json, expected) in [
            (["export_job", "e"], json!({"export_job": "e"}), export),
            (["query_job", "q"], json!({"query_job": "q"}), query),
            (["table", "t"], json!({"table": "t"}), table(None, &[])),
        ] {
            assert_eq!(Asked::of_descriptor(&path(&as_path)).unwrap(), expected);
            assert_eq!(Asked::of_descriptor(&command(&as_json)).unwrap(), expected);
            let ticket = as_path.join("/");
            assert_eq!(Asked::of_ticket(ticket.as_bytes()).unwrap(), expected);
            assert_eq!(
                Asked::of_ticket(as_json.to_string().as_bytes()).unwrap(),
                expected
            );
        }
        let whole = json!({"table": "t", "version": 4, "columns": ["b", "a"]});
        assert_eq!(
            Asked::of_descriptor(&command(&whole)).unwrap(),
            table(Some(4), &["b", "a"])
        );
        let statement = json!({"query": "SELECT 1", "project_id": "p", "parameters": {"x": [1, null]}});
        let Asked::Statement { parameters, .. } = Asked::of_descriptor(&command(&statement)).unwrap() else {
            panic!("no statement");
        };
        assert!(parameters.unwrap().fields.contains_key("x"));
    }

    #[test]
    fn what_asks_for_nothing_is_refused() {
        for (ticket, field) in [
            (&b""[..], "ticket"),
            (b"export_job", "ticket"),
            (b"view/x", "ticket"),
            (b"\xff", "ticket"),
            (b"{}", "ticket"),
            (b"{\"table\": \"t\", \"query\": \"q\"}", "ticket"),
            (b"{\"table\": 5}", "ticket.table"),
            (b"{\"table\": \"t\", \"version\": 1.5}", "ticket.version"),
            (b"{\"table\": \"t\", \"columns\": [1]}", "ticket.columns"),
            (b"{\"query\": \"SELECT 1\"}", "ticket.project_id"),
            (b"{\"query_job\": \"q\", \"x\": 1}", "ticket.x"),
        ] {
            let error = Asked::of_ticket(ticket).unwrap_err();
            assert_eq!(fields(&error), [field], "{ticket:?}");
        }
        let unknown = FlightDescriptor::default();
        assert_eq!(fields(&Asked::of_descriptor(&unknown).unwrap_err()), ["type"]);
    }
}

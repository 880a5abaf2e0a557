//! A request whose names are known: what a service is asked, and what it takes to answer.

use bytes::Bytes;
use datacovey_proto::internal::rows::v1::filter::Node;
use datacovey_proto::internal::rows::v1::{
    DeleteRequest, Filter, FilterList, InsertRequest, MissingColumns, Operator, Quantifier, Resolution,
    RowFormat, SelectRequest, UpdateRequest,
};
use http::StatusCode;

use crate::answer::Answering;
use crate::body::Payload;
use crate::embed::{Selected, resolve};
use crate::error::Error;
use crate::fuzzy::closest;
use crate::media::Media;
use crate::prefer::Return;
use crate::relations::{Relation, Relations};
use crate::request::{Head, Target, Verb};

/// What is to be done for a request.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    pub call: Call<'a>,
    /// Makes an answer of what became of it.
    pub answering: Answering,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Call<'a> {
    /// Answer the document of the API.
    Document,
    /// Answer which methods there are.
    Options,
    /// Ask the service that owns the relation.
    Rows(&'a Relation, Box<Rows>),
}

/// What a service is asked: a request of `RowService`.
#[derive(Clone, Debug, PartialEq)]
pub enum Rows {
    Select(SelectRequest),
    Insert(InsertRequest),
    Update(UpdateRequest),
    Delete(DeleteRequest),
}

impl Head {
    /// Looks everything up that the request names. `body` is that of the request if [`Self::takes_body`].
    /// Errors: 413, 400 PGRST102, 404 PGRST205 and PGRST202, 400 PGRST108, PGRST118, PGRST123, PGRST200,
    /// 300 PGRST201, 400 PGRST204, 405 PGRST105, 406 PGRST107, 400 PGRST122, and SQLSTATEs that are certain.
    pub fn plan<'a>(&self, relations: &'a Relations, body: &Bytes) -> Result<Plan<'a>, Error> {
        if self.takes_body() && body.len() > self.settings.max_body_bytes {
            return Err(Error::too_large(self.settings.max_body_bytes));
        }
        let relation = match &self.target {
            Target::Function(name) => return Err(self.no_function(name, body)),
            Target::Root => return self.root(),
            Target::Relation(name) => name,
        };
        let payload = if self.takes_body() {
            Payload::read(self.content_type.as_deref(), body, self.query.columns.as_deref())?
        } else {
            Payload::default()
        };
        let relation = self.relation(relations, relation)?;
        let has_key = relation.primary_key().is_some();
        if self.verb == Verb::Options {
            let answering = Answering::options(self, has_key);
            return Ok(Plan {
                call: Call::Options,
                answering,
            });
        }
        let is_mutation = !matches!(self.verb, Verb::Get | Verb::Head);
        let selected = resolve(
            relations,
            &self.settings.schema,
            relation,
            &self.query,
            is_mutation,
        )?;
        if !is_mutation {
            let media = self.accepted.of_rows()?;
            self.preferences.check()?;
            let request = self.select(relation, selected, media);
            return Ok(self.planned(relation, Rows::Select(request), media));
        }
        if matches!(self.verb, Verb::Post | Verb::Put | Verb::Patch) {
            self.check_columns(relation, &payload)?;
        }
        let key = match self.verb {
            Verb::Put => Some(self.put_key(relation, &selected)?),
            _ => None,
        };
        self.preferences.check()?;
        let media = self.accepted.of_rows()?;
        let returning = if self.preferences.returned == Some(Return::Representation) {
            selected.selections
        } else {
            Vec::new()
        };
        let (filter, order) = (selected.filter, selected.order);
        let relation_name = relation.name.clone();
        let (max_affected, timezone) = (self.preferences.most_affected(), self.timezone());
        let singular = media.is_singular();
        let rows = match self.verb {
            Verb::Patch => Rows::Update(UpdateRequest {
                relation: relation_name,
                filter,
                values: payload.rows.into_iter().next().unwrap_or_default(),
                columns: payload.columns,
                returning,
                max_affected,
                timezone,
                order,
                format: format(media).into(),
                singular,
                missing: self.missing().into(),
            }),
            Verb::Delete => Rows::Delete(DeleteRequest {
                relation: relation_name,
                filter,
                returning,
                max_affected,
                timezone,
                order,
                format: format(media).into(),
                singular,
            }),
            _ => {
                let (resolution, on_conflict) = self.conflict(relation);
                Rows::Insert(InsertRequest {
                    relation: relation_name,
                    rows: payload.rows,
                    columns: payload.columns,
                    missing: self.missing().into(),
                    resolution: resolution.into(),
                    on_conflict,
                    returning,
                    max_affected: None,
                    timezone,
                    order,
                    format: format(media).into(),
                    singular,
                    only: key,
                })
            }
        };
        Ok(self.planned(relation, rows, media))
    }

    fn planned<'a>(&self, relation: &'a Relation, rows: Rows, media: Media) -> Plan<'a> {
        Plan {
            call: Call::Rows(relation, Box::new(rows)),
            answering: Answering::rows(self, relation, media),
        }
    }

    fn root<'a>(&self) -> Result<Plan<'a>, Error> {
        if self.verb == Verb::Options {
            return Ok(Plan {
                call: Call::Options,
                answering: Answering::root_options(self),
            });
        }
        self.accepted.of_root()?;
        Ok(Plan {
            call: Call::Document,
            answering: Answering::document(self),
        })
    }

    fn relation<'a>(&self, relations: &'a Relations, name: &str) -> Result<&'a Relation, Error> {
        relations.get(name).ok_or_else(|| {
            let schema = &self.settings.schema;
            let message = format!("Could not find the table '{schema}.{name}' in the schema cache");
            let meant = closest(name, relations.iter().map(|it| it.name.as_str()));
            let hint = meant.map(|(_, name)| format!("Perhaps you meant the table '{schema}.{name}'"));
            Error::new(StatusCode::NOT_FOUND, "PGRST205", message).hint(hint)
        })
    }

    fn no_function(&self, name: &str, body: &Bytes) -> Error {
        let function = format!("{}.{name}", self.settings.schema);
        let mut keys = Vec::new();
        if self.takes_body() {
            keys = Payload::keys(body);
        }
        let (short, long) = match keys.as_slice() {
            [] => (" without parameters".to_owned(), " without parameters".to_owned()),
            [key] => (format!("({key})"), format!(" with parameter {key}")),
            keys => {
                let keys = keys.join(", ");
                (format!("({keys})"), format!(" with parameters {keys}"))
            }
        };
        let or = if self.takes_body() {
            " or with a single unnamed json/jsonb parameter"
        } else {
            ""
        };
        let message = format!("Could not find the function {function}{short} in the schema cache");
        let details = format!(
            "Searched for the function {function}{long}{or}, but no matches were found in the schema cache."
        );
        Error::new(StatusCode::NOT_FOUND, "PGRST202", message).details(details)
    }

    fn select(&self, relation: &Relation, selected: Selected, media: Media) -> SelectRequest {
        SelectRequest {
            relation: relation.name.clone(),
            selections: selected.selections,
            filter: selected.filter,
            order: selected.order,
            limit: self.page.limit,
            offset: self.page.offset,
            count: self.preferences.count.unwrap_or_default().into(),
            timezone: self.timezone(),
            format: format(media).into(),
            singular: media.is_singular(),
        }
    }

    fn timezone(&self) -> String {
        self.preferences.timezone.clone().unwrap_or_default()
    }

    fn missing(&self) -> MissingColumns {
        match self.verb {
            Verb::Put => MissingColumns::Null,
            _ => self.preferences.missing.unwrap_or_default(),
        }
    }

    fn check_columns(&self, relation: &Relation, payload: &Payload) -> Result<(), Error> {
        match payload.columns.iter().find(|it| relation.column(it).is_none()) {
            None => Ok(()),
            Some(column) => {
                let message = format!(
                    "Could not find the '{column}' column of '{}' in the schema cache",
                    relation.name
                );
                Err(Error::new(StatusCode::BAD_REQUEST, "PGRST204", message))
            }
        }
    }

    /// The one condition that PUT has: that the key equals a value.
    fn put_key(&self, relation: &Relation, selected: &Selected) -> Result<Filter, Error> {
        let key = relation.primary_key().map(|it| it.name.as_str());
        let is_key = |filter: &&Filter| match &filter.node {
            Some(Node::Condition(it)) => {
                !filter.negated
                    && it.operator() == Operator::Eq
                    && it.quantifier() == Quantifier::Unspecified
                    && it.column.as_ref().is_some_and(|it| it.steps.is_empty())
            }
            _ => false,
        };
        let own_keys = !self.query.filter_keys.is_empty()
            && self.query.filter_keys.iter().all(|it| Some(it.as_str()) == key);
        let filters = match &selected.filter {
            Some(Filter {
                node: Some(Node::And(FilterList { filters })),
                ..
            }) => filters.iter().collect(),
            Some(filter) => vec![filter],
            None => Vec::new(),
        };
        match &selected.filter {
            Some(filter) if own_keys && self.query.logic.is_empty() && filters.iter().all(is_key) => {
                Ok(filter.clone())
            }
            _ => {
                let message = "Filters must include all and only primary key columns with 'eq' operators";
                Err(Error::new(StatusCode::METHOD_NOT_ALLOWED, "PGRST105", message))
            }
        }
    }

    /// What happens to rows that exist, and by which columns they do.
    pub(crate) fn conflict(&self, relation: &Relation) -> (Resolution, Vec<String>) {
        let key: Vec<_> = relation
            .primary_key()
            .map(|it| it.name.clone())
            .into_iter()
            .collect();
        if self.verb == Verb::Put {
            return (Resolution::MergeDuplicates, key);
        }
        let columns = self.query.on_conflict.clone().unwrap_or(key);
        match self.preferences.resolution {
            Some(resolution) if !columns.is_empty() => (resolution, columns),
            _ => (Resolution::Unspecified, Vec::new()),
        }
    }
}

fn format(media: Media) -> RowFormat {
    match media {
        Media::Json | Media::Object => RowFormat::Json,
        Media::JsonStripped | Media::ObjectStripped => RowFormat::JsonStripped,
        Media::Csv => RowFormat::Csv,
    }
}

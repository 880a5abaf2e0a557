//! The document that `GET /` answers: OpenAPI 2.0, written from the relations that serve the requests.

use serde_json::{Map, Value, json};

use crate::relations::{Column, Relation, Relations};

const DOCUMENTATION: &str = "https://postgrest.org/en/v13/references/api.html";

/// Where the API is reached from outside, as the document says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `http` or `https`.
    pub scheme: String,
    /// Host and, if it is not the scheme's own, port.
    pub host: String,
    /// The path that all others are below, `/` in the end if there is no other.
    pub base_path: String,
}

impl Address {
    /// Plain HTTP at a host, nothing before the path.
    #[must_use]
    pub fn http(host: impl Into<String>) -> Self {
        Self {
            scheme: "http".to_owned(),
            host: host.into(),
            base_path: "/".to_owned(),
        }
    }
}

/// The document of these relations.
#[must_use]
pub fn openapi(relations: &Relations, address: &Address) -> Value {
    let media = json!([
        "application/json",
        "application/vnd.pgrst.object+json;nulls=stripped",
        "application/vnd.pgrst.object+json",
        "text/csv"
    ]);
    json!({
        "swagger": "2.0",
        "info": {
            "description": relations.description,
            "title": relations.title,
            "version": relations.version,
        },
        "host": address.host,
        "basePath": address.base_path,
        "schemes": [address.scheme],
        "consumes": media,
        "produces": media,
        "paths": paths(relations),
        "definitions": relations
            .iter()
            .map(|it| (it.name.clone(), definition(it)))
            .collect::<Map<_, _>>(),
        "parameters": parameters(relations),
        "externalDocs": {"description": "PostgREST Documentation", "url": DOCUMENTATION},
    })
}

fn paths(relations: &Relations) -> Value {
    let mut paths = Map::new();
    let root = json!({"get": {
        "produces": ["application/openapi+json", "application/json"],
        "responses": {"200": {"description": "OK"}},
        "summary": "OpenAPI description (this document)",
        "tags": ["Introspection"],
    }});
    paths.insert("/".to_owned(), root);
    for relation in relations.iter() {
        paths.insert(format!("/{}", relation.name), path(relation));
    }
    paths.into()
}

fn path(relation: &Relation) -> Value {
    let name = &relation.name;
    let filters = relation.columns.iter().map(|it| row_filter(relation, it));
    let filters: Vec<_> = filters.collect();
    let body = format!("body.{name}");
    let filters_and = |more: &[&str]| {
        let mut all = filters.clone();
        all.extend(more.iter().map(|it| (*it).to_owned()));
        all
    };
    let reading = [
        "select",
        "order",
        "range",
        "rangeUnit",
        "offset",
        "limit",
        "preferCount",
    ];
    let found = json!({
        "200": {
            "description": "OK",
            "schema": {"items": {"$ref": format!("#/definitions/{name}")}, "type": "array"},
        },
        "206": {"description": "Partial Content"},
    });
    let created = json!({"201": {"description": "Created"}});
    let nothing = json!({"204": {"description": "No Content"}});
    let posted = [body.clone(), "select".to_owned(), "preferPost".to_owned()];
    json!({
        "get": operation(relation, &filters_and(&reading), found),
        "post": operation(relation, &posted, created),
        "delete": operation(relation, &filters_and(&["preferReturn"]), nothing.clone()),
        "patch": operation(relation, &filters_and(&[&body, "preferReturn"]), nothing),
    })
}

fn operation(relation: &Relation, parameters: &[String], responses: Value) -> Value {
    let parameters = parameters
        .iter()
        .map(|it| json!({"$ref": format!("#/parameters/{it}")}));
    let mut operation = json!({
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": responses,
        "tags": [relation.name],
    });
    if let Some(title) = &relation.title {
        operation["summary"] = title.as_str().into();
    }
    if let Some(description) = &relation.description {
        operation["description"] = description.as_str().into();
    }
    operation
}

fn definition(relation: &Relation) -> Value {
    let required = relation.columns.iter().filter(|it| it.required);
    let properties = relation.columns.iter().map(|it| (it.name.clone(), property(it)));
    let mut definition = json!({
        "required": required.map(|it| it.name.as_str()).collect::<Vec<_>>(),
        "properties": properties.collect::<Map<_, _>>(),
        "type": "object",
    });
    if let Some(comment) = relation.comment() {
        definition["description"] = comment.into();
    }
    definition
}

fn property(column: &Column) -> Value {
    let mut property = json!({"format": column.kind.sql()});
    if let Some(kind) = column.kind.json() {
        property["type"] = kind.into();
    }
    if let Some(default) = &column.default {
        property["default"] = default.as_str().into();
    }
    let key = match &column.references {
        Some(other) => Some(format!(
            "Note:\nThis is a Foreign Key to `{other}.id`.<fk table='{other}' column='id'/>"
        )),
        None if column.primary => Some("Note:\nThis is a Primary Key.<pk/>".to_owned()),
        None => None,
    };
    let texts: Vec<_> = [column.description.clone(), key].into_iter().flatten().collect();
    if !texts.is_empty() {
        property["description"] = texts.join("\n\n").into();
    }
    property
}

fn row_filter(relation: &Relation, column: &Column) -> String {
    format!("rowFilter.{}.{}", relation.name, column.name)
}

fn parameters(relations: &Relations) -> Value {
    let returned = ["return=representation", "return=minimal", "return=none"];
    let resolved = ["resolution=ignore-duplicates", "resolution=merge-duplicates"];
    let mut posted = returned.to_vec();
    posted.extend(resolved);
    let prefer = |values: &[&str]| {
        let mut parameter = parameter("Prefer", "Preference", "header");
        if !values.is_empty() {
            parameter["enum"] = json!(values);
        }
        parameter
    };
    let paging = "Limiting and Pagination";
    let mut unit = parameter("Range-Unit", paging, "header");
    unit["default"] = "items".into();
    let common = [
        ("preferParams", prefer(&[])),
        ("preferReturn", prefer(&returned)),
        ("preferCount", prefer(&["count=none"])),
        ("preferPost", prefer(&posted)),
        ("select", parameter("select", "Filtering Columns", "query")),
        ("on_conflict", parameter("on_conflict", "On Conflict", "query")),
        ("order", parameter("order", "Ordering", "query")),
        ("range", parameter("Range", paging, "header")),
        ("rangeUnit", unit),
        ("offset", parameter("offset", paging, "query")),
        ("limit", parameter("limit", paging, "query")),
    ];
    let mut all: Map<_, _> = common.map(|(key, it)| (key.to_owned(), it)).into_iter().collect();
    for relation in relations.iter() {
        let name = &relation.name;
        let body = json!({
            "name": name,
            "description": name,
            "required": false,
            "in": "body",
            "schema": {"$ref": format!("#/definitions/{name}")},
        });
        all.insert(format!("body.{name}"), body);
        for column in &relation.columns {
            let mut filter = json!({"name": column.name, "required": false, "in": "query", "type": "string"});
            if let Some(description) = &column.description {
                filter["description"] = description.as_str().into();
            }
            all.insert(row_filter(relation, column), filter);
        }
    }
    all.into()
}

fn parameter(name: &str, description: &str, place: &str) -> Value {
    json!({"name": name, "description": description, "required": false, "in": place, "type": "string"})
}

//! The relations of the API's contract: the one place that says which relations and columns there are,
//! for what is parsed, for the SQL that is written, and for the document that `GET /` answers.

use std::sync::LazyLock;

use serde::Deserialize;

/// The contract as JSON; its texts are published as they are here.
const CONTRACT: &str = include_str!("contract.json");

static RELATIONS: LazyLock<Relations> = LazyLock::new(|| {
    #[allow(
        clippy::expect_used,
        reason = "a part of the program, read by every test of this crate"
    )]
    serde_json::from_str(CONTRACT).expect("the contract is JSON of this shape")
});

/// The relations and what the API says of itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Relations {
    pub title: String,
    pub version: String,
    pub description: String,
    #[serde(rename = "relations")]
    all: Vec<Relation>,
}

/// A relation, which one service owns.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Relation {
    /// As the API and the database have it; some are keywords of SQL.
    pub name: String,
    pub service: Service,
    /// What it is, in a line. The histories have none.
    pub title: Option<String>,
    /// What more there is to say; there is one if there is a title.
    pub description: Option<String>,
    /// In the order of the table.
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Whether it is NOT NULL.
    #[serde(default)]
    pub required: bool,
    /// An expression of SQL.
    pub default: Option<String>,
    /// Whether it is the primary key; no key has two columns.
    #[serde(default)]
    pub primary: bool,
    /// The relation that it refers to, by that one's `id`.
    pub references: Option<String>,
    pub description: Option<String>,
}

/// Types of columns: those of PostgreSQL that the contract has.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum ColumnType {
    #[serde(rename = "uuid")]
    Uuid,
    #[serde(rename = "text")]
    Text,
    #[serde(rename = "timestamp without time zone")]
    Timestamp,
    #[serde(rename = "bigint")]
    Bigint,
    #[serde(rename = "boolean")]
    Boolean,
    #[serde(rename = "jsonb")]
    Jsonb,
}

/// Backend services.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    Identity,
    Catalog,
    Query,
    Transfer,
}

/// A foreign key: a column of one relation that holds the `id` of a row of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignKey<'a> {
    /// The relation that has it.
    pub from: &'a Relation,
    pub column: &'a Column,
    /// The relation that it refers to.
    pub to: &'a Relation,
}

impl Relations {
    /// Those of the contract.
    #[must_use]
    pub fn contract() -> &'static Self {
        &RELATIONS
    }

    /// In the order of the contract.
    pub fn iter(&self) -> impl Iterator<Item = &Relation> {
        self.all.iter()
    }

    /// The relation of exactly this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Relation> {
        self.all.iter().find(|it| it.name == name)
    }

    /// The foreign keys of all relations.
    pub fn foreign_keys(&self) -> impl Iterator<Item = ForeignKey<'_>> {
        self.all.iter().flat_map(|it| self.foreign_keys_of(it))
    }

    /// The foreign keys that a relation has.
    pub fn foreign_keys_of<'a>(&'a self, from: &'a Relation) -> impl Iterator<Item = ForeignKey<'a>> {
        from.columns.iter().filter_map(move |column| {
            let to = self.get(column.references.as_deref()?)?;
            Some(ForeignKey { from, column, to })
        })
    }
}

impl Relation {
    /// The column of exactly this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|it| it.name == name)
    }

    /// The column that is the primary key. The histories have none.
    #[must_use]
    pub fn primary_key(&self) -> Option<&Column> {
        self.columns.iter().find(|it| it.primary)
    }

    /// The relation whose changes it holds, if it is a history: rows may be added and not changed.
    #[must_use]
    pub fn history_of(&self) -> Option<&str> {
        self.name.strip_suffix("_history")
    }

    /// Whether it records what services did: jobs and histories, which whoever moves in from another system
    /// brings along as plain data.
    #[must_use]
    pub fn is_record(&self) -> bool {
        self.is_job() || self.history_of().is_some()
    }

    /// Whether its rows are jobs, each of which is worked on once it is there.
    #[must_use]
    pub fn is_job(&self) -> bool {
        self.name.ends_with("_job")
    }

    /// The title and the description as the comment of the table has them.
    #[must_use]
    pub fn comment(&self) -> Option<String> {
        let (title, description) = (self.title.as_ref()?, self.description.as_ref()?);
        Some(format!("{title}\n\n{description}"))
    }
}

impl ColumnType {
    /// Its name in SQL.
    #[must_use]
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Text => "text",
            Self::Timestamp => "timestamp without time zone",
            Self::Bigint => "bigint",
            Self::Boolean => "boolean",
            Self::Jsonb => "jsonb",
        }
    }

    /// Its name in JSON Schema; jsonb has none, since it may be anything.
    #[must_use]
    pub const fn json(self) -> Option<&'static str> {
        match self {
            Self::Uuid | Self::Text | Self::Timestamp => Some("string"),
            Self::Bigint => Some("integer"),
            Self::Boolean => Some("boolean"),
            Self::Jsonb => None,
        }
    }
}

impl ForeignKey<'_> {
    /// The name of the constraint.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}_{}_fkey", self.from.name, self.column.name)
    }
}

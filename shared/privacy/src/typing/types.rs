//! The types of plan nodes and of their columns.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::{Column, DFSchema, DFSchemaRef, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::absence::Absence;
use crate::catalog::CatalogTable;
use crate::plan::RESERVED;
use crate::policy::{ColumnPolicy, ColumnUse, DEFAULT_SCALE, Policy, Step, Threshold};

/// One occurrence of a restricted table in the statement.
#[derive(Debug, Clone)]
pub(crate) struct Source<'a> {
    pub(crate) table: &'a CatalogTable,
    pub(crate) policy: &'a Policy,
    /// The tables that its unit was found through, each with its policy; none where the unit is a column of its own.
    pub(crate) parents: Vec<(&'a CatalogTable, &'a Policy)>,
}

impl Source<'_> {
    /// What its owner asks of released values: of the table, and of those that say whose its rows are.
    pub(crate) fn threshold(&self) -> Threshold {
        let parents = self.parents.iter().map(|(_, policy)| policy.threshold);
        let strictest = |a: Threshold, b: Threshold| Threshold {
            min_units: a.min_units.max(b.min_units),
            max_share: a.max_share.min(b.max_share),
            round_to: a.round_to.max(b.round_to),
        };
        parents.fold(self.policy.threshold, strictest)
    }
}

/// Number of a [`Source`], in the order of scans.
pub(crate) type SourceId = usize;

/// Columns of restricted tables that something descends from, through data or control.
pub(crate) type Lineage = BTreeSet<(SourceId, String)>;

/// What a plan node gives.
#[derive(Debug)]
pub(crate) enum Typed {
    /// Only the caller's own tables, reference tables and literals.
    Open(LogicalPlan),
    /// Rows that belong to units of one or more sources.
    Restricted(Box<Restricted>),
    /// What was released, perhaps with open rows.
    Released(LogicalPlan),
}

/// A node whose rows belong to units.
#[derive(Debug, Clone)]
pub(crate) struct Restricted {
    /// The rewritten plan: the fields of the original node in their order, then the hidden columns: the unit of each
    /// source, and what of [`Absence`] is a column.
    pub(crate) plan: LogicalPlan,
    /// A type for each field of the original node.
    pub(crate) columns: Vec<ColumnType>,
    /// The sources of its rows, with what is known of each.
    pub(crate) sources: BTreeMap<SourceId, SourceState>,
    /// What decided which rows exist.
    pub(crate) control: Lineage,
    /// What is known of rows that another side does not have.
    pub(crate) absence: Absence,
}

/// What is known of a source at a node.
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceState {
    /// Sources of one class have, in every row, the same unit.
    pub(crate) class: SourceId,
    /// Join columns by which it was joined.
    pub(crate) joined: BTreeSet<String>,
    /// In which rows its unit is there.
    pub(crate) presence: Presence,
    /// Whether a table of the caller's own decided, by who is in it, which of its rows are there.
    pub(crate) chosen: bool,
}

/// In which rows of a node the unit of a source is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Presence {
    /// In every row.
    #[default]
    Always,
    /// In some: the others are of the other side of an outer join, or of another branch of a union.
    Sometimes,
    /// In no row that is kept: it decided, by having no match, that they are there.
    Never,
}

impl Restricted {
    /// Where the unit of a source stands in the plan.
    pub(crate) fn unit(&self, source: SourceId) -> Option<Column> {
        unit_of(&self.plan, source)
    }

    /// The hidden columns: units in the order of sources, then matches.
    pub(crate) fn hidden(&self) -> Vec<Column> {
        let units = self.sources.keys().filter_map(|source| self.unit(*source));
        let matches = self.absence.columns(self.plan.schema());
        units.chain(matches).collect()
    }

    /// The classes of units, each with its sources.
    pub(crate) fn classes(&self) -> BTreeMap<SourceId, Vec<SourceId>> {
        let mut classes: BTreeMap<SourceId, Vec<SourceId>> = BTreeMap::new();
        for (source, state) in &self.sources {
            classes.entry(state.class).or_default().push(*source);
        }
        classes
    }

    /// Presence of the units of a class.
    pub(crate) fn presence(&self, class: SourceId) -> Presence {
        let members = self.sources.values().filter(|state| state.class == class);
        members
            .map(|state| state.presence)
            .find(|presence| *presence != Presence::Always)
            .unwrap_or_default()
    }

    /// Whether each row that is kept is one of every individual, where the keys hold those of these classes.
    pub(crate) fn is_per_unit(&self, holds: impl Fn(SourceId) -> bool) -> bool {
        let mut classes = self.classes();
        classes.retain(|class, _| self.presence(*class) != Presence::Never);
        !classes.is_empty() && classes.keys().all(|class| holds(*class))
    }

    /// Whether a column holds, in every row, the unit of that class.
    pub(crate) fn is_unit_of(&self, column: &ColumnType, class: SourceId) -> bool {
        column
            .units
            .iter()
            .any(|source| self.sources.get(source).is_some_and(|state| state.class == class))
    }

    /// From now on a table of the caller's own has decided which rows are there.
    pub(crate) fn choose(&mut self) {
        for state in self.sources.values_mut() {
            state.chosen = true;
        }
    }

    /// Sources of which one was chosen from all were, once their rows are joined.
    pub(crate) fn share_choice(&mut self) {
        if self.sources.values().any(|state| state.chosen) {
            self.choose();
        }
    }

    /// From now on the units of the given sources are known to be the same.
    pub(crate) fn merge_classes(&mut self, sources: &BTreeSet<SourceId>) {
        let classes: BTreeSet<SourceId> = sources
            .iter()
            .filter_map(|s| Some(self.sources.get(s)?.class))
            .collect();
        let Some(first) = classes.first().copied() else {
            return;
        };
        for state in self
            .sources
            .values_mut()
            .filter(|state| classes.contains(&state.class))
        {
            state.class = first;
        }
    }
}

/// Where the unit of a source stands in a rewritten plan.
pub(crate) fn unit_of(plan: &LogicalPlan, source: SourceId) -> Option<Column> {
    let name = unit_name(source);
    let mut fields = plan.schema().iter();
    fields.find(|(_, field)| *field.name() == name).map(Column::from)
}

/// Name of the hidden column that holds the unit of a source.
pub(crate) fn unit_name(source: SourceId) -> String {
    format!("{RESERVED}unit_{source}")
}

/// What a column of a restricted node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A column of a restricted table as it is stored.
    Stored(SourceId, String),
    /// Computed from dimensions.
    Derived,
    /// Of an open table that was joined.
    Open,
    /// The same in every row.
    Literal,
}

/// The type of one column of a restricted node.
#[derive(Debug, Clone)]
pub(crate) struct ColumnType {
    pub(crate) kind: Kind,
    /// Uses that its owner's policy lists; for a derived column [`ColumnUse::Dimension`].
    pub(crate) uses: BTreeSet<ColumnUse>,
    /// The identity of a join column.
    pub(crate) identity: Option<String>,
    /// Sources whose unit it holds.
    pub(crate) units: BTreeSet<SourceId>,
    /// Restricted columns that its values descend from, and marks of what they depend on.
    pub(crate) lineage: Lineage,
    /// The finest steps in which a dimension may be used; nothing where its values may be.
    pub(crate) step: Option<Step>,
    /// What there is to know of a measure.
    pub(crate) measure: Option<Measure>,
    /// The branch of a union that it tells: one value for who is in that branch, another for all others.
    pub(crate) fixes: Option<usize>,
    /// For each branch of a union the constant that it is there.
    pub(crate) constants: BTreeMap<usize, ScalarValue>,
}

/// A number that aggregates take.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measure {
    /// Whose rows or columns it counts or adds up.
    pub(crate) sources: BTreeSet<SourceId>,
    /// Decimals kept of it, where it is a floating-point number.
    pub(crate) scale: u8,
    /// Its range, as its owner gives it.
    pub(crate) bounds: Option<[f64; 2]>,
    /// Whether rows may be filtered by it.
    pub(crate) filter: bool,
    /// Width of the bins by which it may be grouped.
    pub(crate) bins: Option<f64>,
    /// Number of stored measures that are multiplied in it.
    pub(crate) degree: usize,
    /// What it adds up.
    pub(crate) component: Component,
    /// Whether a condition decided what of a unit is in it.
    pub(crate) conditional: bool,
    /// Whether who adds nothing to it has 0, not NULL.
    pub(crate) zero_is_none: bool,
}

impl Measure {
    /// A column that is one measure in some rows, and another in others: what either owner asks holds of it.
    pub(super) fn united(self, other: Self) -> Self {
        let component = match (self.component, other.component) {
            (Component::Measures(mut one), Component::Measures(other)) => {
                one.extend(other);
                Component::Measures(one)
            }
            _ => Component::Rows,
        };
        let bounds = self.bounds.zip(other.bounds);
        Self {
            sources: self.sources.union(&other.sources).copied().collect(),
            scale: self.scale.min(other.scale),
            bounds: bounds.map(|([a, b], [c, d])| [a.min(c), b.max(d)]),
            filter: self.filter && other.filter,
            bins: self.bins.filter(|_| self.bins == other.bins),
            degree: self.degree.max(other.degree),
            component,
            conditional: self.conditional || other.conditional,
            zero_is_none: self.zero_is_none || other.zero_is_none,
        }
    }
}

/// What a value adds up. Two values of one row that add up the same thing must not differ by a few units (H13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Component {
    /// Rows, or distinct values.
    Rows,
    /// These products of measures.
    Measures(BTreeSet<Product>),
}

/// Stored measures that are multiplied, in order.
pub(crate) type Product = Vec<(SourceId, String)>;

impl ColumnType {
    pub(crate) fn stored(source: SourceId, name: &str, part: &ColumnPolicy, is_unit: bool) -> Self {
        Self {
            kind: Kind::Stored(source, name.to_owned()),
            uses: part.uses.clone(),
            identity: part.identity.clone(),
            units: if is_unit {
                BTreeSet::from([source])
            } else {
                BTreeSet::new()
            },
            lineage: BTreeSet::from([(source, name.to_owned())]),
            step: part.step.clone(),
            measure: part.uses.contains(&ColumnUse::Measure).then(|| Measure {
                sources: BTreeSet::from([source]),
                scale: part.scale.unwrap_or(DEFAULT_SCALE),
                bounds: part.bounds,
                filter: part.filter,
                bins: part.bins,
                degree: 1,
                component: Component::Measures(BTreeSet::from([vec![(source, name.to_owned())]])),
                conditional: false,
                zero_is_none: false,
            }),
            fixes: None,
            constants: BTreeMap::new(),
        }
    }

    pub(crate) fn derived(lineage: Lineage) -> Self {
        let uses = BTreeSet::from([ColumnUse::Dimension]);
        Self {
            kind: Kind::Derived,
            uses,
            lineage,
            ..Self::literal()
        }
    }

    /// A number computed from measures, of the same unit.
    pub(crate) fn measured(lineage: Lineage, measure: Measure) -> Self {
        Self {
            kind: Kind::Derived,
            uses: BTreeSet::from([ColumnUse::Measure]),
            lineage,
            measure: Some(measure),
            ..Self::literal()
        }
    }

    /// The same column where its rows may be missing, or its value stand without the unit that it is.
    pub(crate) fn detached(mut self, mark: &Lineage) -> Self {
        self.lineage.extend(mark.iter().cloned());
        self
    }

    /// A column of an open table. `lineage` is what decided which of its rows stands beside a restricted one.
    pub(crate) fn open(lineage: Lineage, identity: Option<String>) -> Self {
        Self {
            kind: Kind::Open,
            identity,
            lineage,
            ..Self::literal()
        }
    }

    /// A column of an open table in which a dimension was looked up: a function of the dimension.
    pub(crate) fn looked_up(lineage: Lineage) -> Self {
        Self {
            uses: BTreeSet::from([ColumnUse::Dimension]),
            ..Self::open(lineage, None)
        }
    }

    pub(crate) fn literal() -> Self {
        Self {
            kind: Kind::Literal,
            uses: BTreeSet::new(),
            identity: None,
            units: BTreeSet::new(),
            lineage: Lineage::new(),
            step: None,
            measure: None,
            fixes: None,
            constants: BTreeMap::new(),
        }
    }

    /// Whether it may be aggregated, and never grouped or filtered by.
    pub(crate) fn only_measured(&self) -> bool {
        self.is(ColumnUse::Measure) && !self.is(ColumnUse::Dimension)
    }

    pub(crate) fn is(&self, column_use: ColumnUse) -> bool {
        self.uses.contains(&column_use)
    }
}

/// The columns that an expression over restricted rows may name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'s> {
    /// Names and types, as in the original plan.
    pub(crate) schema: &'s DFSchema,
    /// A type for each of its fields.
    pub(crate) columns: &'s [ColumnType],
}

impl<'s> Scope<'s> {
    pub(crate) fn column(&self, column: &Column) -> Option<&'s ColumnType> {
        self.columns.get(self.schema.maybe_index_of_column(column)?)
    }
}

/// The name and qualifier of each field of a node, as expressions that give a rewritten value that name.
pub(crate) fn named(expr: Expr, schema: &DFSchemaRef, index: usize) -> Expr {
    let (qualifier, field) = schema.qualified_field(index);
    match &expr {
        Expr::Column(column) if column.relation.as_ref() == qualifier && column.name == *field.name() => expr,
        _ => expr.alias_qualified(qualifier.cloned(), field.name()),
    }
}

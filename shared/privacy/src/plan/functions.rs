//! The functions that a statement may name.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

/// The engine's built-in functions by name and alias, in lower case.
pub(crate) struct Functions {
    pub(super) scalar: HashMap<String, Arc<ScalarUDF>>,
    pub(super) aggregate: HashMap<String, Arc<AggregateUDF>>,
    pub(super) window: HashMap<String, Arc<WindowUDF>>,
    pub(super) planners: Vec<Arc<dyn ExprPlanner>>,
}

impl Functions {
    /// Whether there is such a function.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.scalar.contains_key(name) || self.aggregate.contains_key(name) || self.window.contains_key(name)
    }

    /// Whether it is an aggregate. A scalar function of the same name is planned in its place.
    pub(crate) fn is_aggregate(&self, name: &str) -> bool {
        self.aggregate.contains_key(name) && !self.scalar.contains_key(name)
    }
}

/// Built once: the functions are the same for every statement.
pub(crate) fn functions() -> &'static Functions {
    static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| Functions {
        scalar: by_name(SessionStateDefaults::default_scalar_functions(), |f| {
            (f.name(), f.aliases())
        }),
        aggregate: by_name(SessionStateDefaults::default_aggregate_functions(), |f| {
            (f.name(), f.aliases())
        }),
        window: by_name(SessionStateDefaults::default_window_functions(), |f| {
            (f.name(), f.aliases())
        }),
        planners: SessionStateDefaults::default_expr_planners(),
    });
    &FUNCTIONS
}

fn by_name<F>(functions: Vec<Arc<F>>, names: impl Fn(&F) -> (&str, &[String])) -> HashMap<String, Arc<F>> {
    let mut map = HashMap::new();
    for function in functions {
        let (name, aliases) = names(&function);
        let all: Vec<String> = std::iter::once(name.to_owned())
            .chain(aliases.iter().cloned())
            .collect();
        for name in all {
            map.insert(name.to_lowercase(), Arc::clone(&function));
        }
    }
    map
}

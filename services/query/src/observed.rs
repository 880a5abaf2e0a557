//! What operators see of caches and budgets: numbers alone, of all tenants together.

use metrics::{Unit, counter, describe_counter};

/// Says to the recorder what the metrics mean. Again and again is as good as once.
pub(crate) fn describe() {
    describe_counter!(
        "datacovey_query_cache_lookups_total",
        Unit::Count,
        "Runs that looked for an earlier answer to their question, by whether there was one"
    );
    describe_counter!(
        "datacovey_query_budget_refusals_total",
        Unit::Count,
        "Runs that a budget did not suffice for"
    );
}

pub(crate) fn looked_for_an_answer(found: bool) {
    let outcome = if found { "hit" } else { "miss" };
    counter!("datacovey_query_cache_lookups_total", "outcome" => outcome).increment(1);
}

pub(crate) fn budget_refused() {
    counter!("datacovey_query_budget_refusals_total").increment(1);
}

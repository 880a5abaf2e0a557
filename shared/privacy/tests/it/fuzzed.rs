//! What any statement holds to: for the seeds of the fuzz target, for the suite's queries, and for those with words
//! left out, repeated and exchanged.

#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz target")]
#[path = "../../../../tests/fuzz/src/query.rs"]
mod checks;
#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../../../../tests/fuzz/src/seeds.rs"]
mod seeds;

use std::cell::RefCell;

use crate::random::{Numbers, queries};

#[test]
fn seeds_hold() {
    seeds::each_text("query", checks::query);
}

#[test]
fn statements_with_changed_words_hold() {
    let texts = RefCell::new(Vec::new());
    seeds::each_text("query", |text| texts.borrow_mut().push(text.to_owned()));
    let texts = texts.into_inner();
    let mut numbers = Numbers::new(11);
    for _ in 0..queries(400) {
        let one = words(&texts[numbers.below(texts.len())]);
        let other = words(&texts[numbers.below(texts.len())]);
        checks::query(&changed(one, &other, &mut numbers).concat());
    }
}

/// Words, numbers and signs, each with the space before it.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut inside = false;
    for c in text.chars() {
        let word = c.is_alphanumeric() || c == '_';
        match words.last_mut() {
            Some(last) if word && inside || last.ends_with(' ') => last.push(c),
            _ => words.push(c.to_string()),
        }
        inside = word;
    }
    words
}

fn changed(mut words: Vec<String>, other: &[String], numbers: &mut Numbers) -> Vec<String> {
    for _ in 0..=numbers.below(3) {
        let at = numbers
            .below(words.len().max(1))
            .min(words.len().saturating_sub(1));
        let from = numbers.below(other.len());
        let to = (from + 1 + numbers.below(6)).min(other.len());
        match numbers.below(5) {
            0 if words.len() > 1 => drop(words.remove(at)),
            1 => words.insert(at, words[at].clone()),
            2 => words[at] = other[from].clone(),
            3 => drop(words.splice(at..at, other[from..to].iter().cloned())),
            _ => {
                let with = numbers.below(words.len());
                words.swap(at, with);
            }
        }
    }
    words
}

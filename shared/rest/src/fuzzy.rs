//! What a name that there is not may have been meant to be.

use std::collections::HashMap;

const LEAST_SCORE: f64 = 0.33;
/// Longer names are not compared: nobody meant any of ours.
const MAX_LENGTH: usize = 100;

/// The name that is most like a text, and how much; the first by the alphabet of several.
pub(crate) fn closest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<(f64, &'a str)> {
    let text = text.to_lowercase();
    if text.chars().count() > MAX_LENGTH {
        return None;
    }
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    if let Some(same) = names.iter().find(|it| it.to_lowercase() == text) {
        return Some((1.0, same));
    }
    [3, 2].iter().find_map(|size| {
        let grams = grams(&text, *size);
        let alike = names.iter().filter(|it| share_a_gram(&grams, it, *size));
        let scored = alike
            .map(|it| (likeness(&text, it), *it))
            .filter(|it| it.0 >= LEAST_SCORE);
        // Of equals, the first.
        scored.fold(None, |best: Option<(f64, &str)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            _ => Some(next),
        })
    })
}

fn grams(text: &str, size: usize) -> HashMap<String, usize> {
    let plain = text
        .chars()
        .filter(|it| it.is_alphanumeric() || matches!(it, ',' | ' '));
    let mut chars: Vec<char> = std::iter::once('-').chain(plain).chain(['-']).collect();
    while chars.len() < size {
        chars.push('-');
    }
    let mut grams = HashMap::new();
    for window in chars.windows(size) {
        *grams.entry(window.iter().collect()).or_default() += 1;
    }
    grams
}

fn share_a_gram(of_text: &HashMap<String, usize>, name: &str, size: usize) -> bool {
    grams(&name.to_lowercase(), size)
        .keys()
        .any(|it| of_text.contains_key(it))
}

/// 1 less the share of characters to change.
fn likeness(one: &str, other: &str) -> f64 {
    let (one, other): (Vec<_>, Vec<_>) = (one.chars().collect(), other.to_lowercase().chars().collect());
    let longest = one.len().max(other.len()).max(1);
    let mut costs: Vec<usize> = (0..=other.len()).collect();
    for (row, a) in one.iter().enumerate() {
        let mut before = costs[0];
        costs[0] = row + 1;
        for (column, b) in other.iter().enumerate() {
            let replaced = before + usize::from(a != b);
            before = costs[column + 1];
            costs[column + 1] = replaced.min(before + 1).min(costs[column] + 1);
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "lengths of names")]
    let share = costs[other.len()] as f64 / longest as f64;
    1.0 - share
}

//! The seeds of the fuzz targets; what a target has found becomes one of them.

use std::path::Path;

/// Calls the check with each seed of a target.
pub fn each(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fuzz/seeds")
        .join(target);
    let mut count = 0;
    for seed in std::fs::read_dir(folder).expect("a folder of seeds") {
        check(&std::fs::read(seed.expect("a seed").path()).expect("a file"));
        count += 1;
    }
    assert!(count > 0, "{target} has no seeds");
}

/// The same for targets that take a text.
pub fn each_text(target: &str, check: impl Fn(&str)) {
    each(target, |seed| check(std::str::from_utf8(seed).expect("a text")));
}

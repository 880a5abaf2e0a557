#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| datacovey_fuzz::query::query(text));

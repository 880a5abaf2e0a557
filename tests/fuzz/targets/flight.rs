#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| datacovey_fuzz::flight::flight(bytes));

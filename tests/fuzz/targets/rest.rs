#![no_main]

libfuzzer_sys::fuzz_target!(|request: &[u8]| datacovey_fuzz::rest::rest(request));

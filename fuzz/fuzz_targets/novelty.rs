#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| instructmill_fuzz::novelty::check(bytes));

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| murmuration_fuzz::pairing::run(bytes));

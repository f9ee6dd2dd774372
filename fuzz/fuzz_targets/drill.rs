//! See `bowline_fuzz::drill`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bowline_fuzz::drill::run(data));

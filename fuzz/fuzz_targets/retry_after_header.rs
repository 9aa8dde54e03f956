#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lp_connector_core::fuzz::retry_after_header(data));

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| podwire_netlink::fuzz::device(bytes));

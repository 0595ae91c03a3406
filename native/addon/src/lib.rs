//! The `#[napi]` surface over the engine and the netlink calls: thin, and nothing else.
#![allow(missing_docs)] // napi's macros generate items without documentation
#![cfg_attr(test, allow(dead_code))] // a test build leaves out the registration, which is the only caller

mod engine;
mod error;
mod link;
mod sys;
mod wireguard;
mod x25519;

#[napi_derive::module_init]
fn init() {
    podwire_engine::defect::end_on_panic();
}

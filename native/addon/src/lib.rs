//! The `#[napi]` surface over the engine and the netlink calls: thin, and nothing else.
#![allow(missing_docs)] // napi's macros generate items without documentation

mod engine;
mod link;

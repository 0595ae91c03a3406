//! X25519 for the handshake in `src/wireguard`, through `src/native/x25519.ts`: functions, no state.
#![allow(clippy::needless_pass_by_value)] // napi hands arguments over as owned values

use napi::bindgen_prelude::{Buffer, Uint8Array};
use napi_derive::napi;
use podwire_engine::x25519;

use crate::engine::{Result, key};

#[napi]
pub fn x25519_public_key(private_key: Uint8Array) -> Result<Buffer> {
    Ok(x25519::public_key(key(&private_key)?).to_vec().into())
}

#[napi]
pub fn x25519_shared_secret(
    private_key: Uint8Array,
    public_key: Uint8Array,
) -> Result<Option<Buffer>> {
    let secret = x25519::shared_secret(key(&private_key)?, key(&public_key)?);
    Ok(secret.map(|secret| secret.to_vec().into()))
}

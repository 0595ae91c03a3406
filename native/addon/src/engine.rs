//! `Engine` for JavaScript: each method is one of the engine's, with its arguments and errors translated. Typed, and
//! given its documentation, by `src/native/engine.ts`.
//!
//! The wake-up holds the event loop: a process with an open engine lives until `close`.
#![allow(clippy::needless_pass_by_value)] // napi hands arguments over as owned values

use napi::bindgen_prelude::{BigInt, BigUint64Array, Buffer, Function, Uint8Array};
use napi::threadsafe_function::ThreadsafeFunctionCallMode::NonBlocking;
use napi_derive::napi;
use podwire_engine::counters::DROP_NAMES;
use podwire_engine::keypair::KeypairOptions;
use podwire_engine::offload::Switches;
use podwire_engine::{Engine, Error, Options};

use crate::error::engine_error;
use crate::sys::share;

pub(crate) type Result<T> = std::result::Result<T, napi::Error<String>>;

pub(crate) fn key(bytes: &[u8]) -> Result<&[u8; 32]> {
    bytes
        .try_into()
        .map_err(|_| engine_error(&Error::Invalid("a key is 32 bytes")))
}

/// What `open` takes.
#[napi(object)]
pub struct EngineOptions {
    pub name: String,
    pub mtu_bytes: u32,
    pub tun_fd: Option<i32>,
    pub switches: Option<EngineSwitches>,
    pub threads: Option<u32>,
}

/// Offloads that may be used; what is absent may.
#[napi(object)]
#[derive(Clone, Copy, Default)]
pub struct EngineSwitches {
    pub tso: Option<bool>,
    pub uso: Option<bool>,
    pub gso: Option<bool>,
    pub gro: Option<bool>,
    pub coalesce: Option<bool>,
}

impl From<EngineSwitches> for Switches {
    fn from(switches: EngineSwitches) -> Self {
        Self {
            tso: switches.tso.unwrap_or(true),
            uso: switches.uso.unwrap_or(true),
            gso: switches.gso.unwrap_or(true),
            gro: switches.gro.unwrap_or(true),
            coalesce: switches.coalesce.unwrap_or(true),
        }
    }
}

/// An offload and what became of it.
#[napi(object, object_from_js = false)]
pub struct EngineOffload {
    pub name: &'static str,
    pub state: &'static str,
    pub reason: Option<String>,
}

/// What an engine says of itself.
#[napi(object, object_from_js = false)]
pub struct EngineStatus {
    pub aead: &'static str,
    pub threads: u32,
    pub memory_bytes: f64,
    pub offloads: Vec<EngineOffload>,
}

/// Transport keys of a session.
#[napi(object)]
pub struct Keypair {
    pub local_index: u32,
    pub remote_index: u32,
    pub send_key: Uint8Array,
    pub receive_key: Uint8Array,
    pub initiator: bool,
}

/// An engine until it is closed.
#[napi]
pub struct NativeEngine(Option<Engine>);

#[napi]
impl NativeEngine {
    #[napi(factory)]
    pub fn open(options: EngineOptions, wake: Function<(), ()>) -> Result<Self> {
        let failed = |error: napi::Error| {
            napi::Error::new("GenericFailure".to_owned(), error.reason.clone())
        };
        let wake = wake
            .build_threadsafe_function::<()>()
            .build()
            .map_err(failed)?;
        let options = Options {
            name: &options.name,
            mtu_bytes: options.mtu_bytes as usize,
            tun_fd: options.tun_fd,
            switches: options.switches.unwrap_or_default().into(),
            threads: options.threads.unwrap_or(0) as usize,
        };
        // A wake-up that comes while the environment goes down is refused, and nobody is left to be told.
        let engine = Engine::open(&options, move || {
            wake.call((), NonBlocking);
        });
        engine
            .map(|engine| Self(Some(engine)))
            .map_err(|error| engine_error(&error))
    }

    fn engine(&self) -> Result<&Engine> {
        self.0.as_ref().ok_or_else(|| engine_error(&Error::Closed))
    }

    fn engine_mut(&mut self) -> Result<&mut Engine> {
        self.0.as_mut().ok_or_else(|| engine_error(&Error::Closed))
    }

    fn with<T>(&self, call: impl FnOnce(&Engine) -> podwire_engine::error::Result<T>) -> Result<T> {
        call(self.engine()?).map_err(|error| engine_error(&error))
    }

    fn with_mut<T>(
        &mut self,
        call: impl FnOnce(&mut Engine) -> podwire_engine::error::Result<T>,
    ) -> Result<T> {
        call(self.engine_mut()?).map_err(|error| engine_error(&error))
    }

    #[napi]
    pub fn close(&mut self) {
        self.0 = None;
    }

    #[napi]
    pub fn name(&self) -> Result<String> {
        Ok(self.engine()?.name().to_owned())
    }

    #[napi]
    pub fn mtu_bytes(&self) -> Result<u32> {
        Ok(self.engine()?.mtu_bytes() as u32)
    }

    #[napi]
    #[allow(clippy::cast_precision_loss)] // exact for 285,000 years
    pub fn now_ms() -> f64 {
        Engine::now_ms() as f64
    }

    #[napi]
    pub fn set_public_key(&self, public_key: Option<Uint8Array>) -> Result<()> {
        self.engine()?
            .set_public_key(public_key.as_deref().map(key).transpose()?);
        Ok(())
    }

    #[napi]
    pub fn bind(&self, port: u16) -> Result<u16> {
        self.with(|engine| engine.bind(port))
    }

    #[napi]
    pub fn unbind(&self) -> Result<()> {
        self.engine()?.unbind();
        Ok(())
    }

    #[napi]
    pub fn set_fwmark(&mut self, mark: u32) -> Result<()> {
        self.with_mut(|engine| engine.set_fwmark(mark))
    }

    #[napi]
    pub fn add_peer(&self, public_key: Uint8Array) -> Result<u32> {
        let public_key = key(&public_key)?;
        self.with(|engine| engine.add_peer(*public_key))
    }

    #[napi]
    pub fn remove_peer(&self, peer: u32) -> Result<()> {
        self.with(|engine| engine.remove_peer(peer))
    }

    #[napi]
    pub fn set_endpoint(&self, peer: u32, endpoint: String) -> Result<()> {
        self.with(|engine| engine.set_endpoint(peer, &endpoint))
    }

    #[napi]
    pub fn adopt_endpoint(&self, peer: u32, source: Uint8Array) -> Result<()> {
        self.with(|engine| engine.adopt_endpoint(peer, &source))
    }

    #[napi]
    pub fn endpoint(&self, peer: u32) -> Result<Option<String>> {
        self.with(|engine| engine.endpoint(peer))
    }

    #[napi]
    pub fn add_allowed_ips(&self, peer: u32, cidrs: String) -> Result<()> {
        self.with(|engine| engine.add_allowed_ips(peer, &cidrs))
    }

    #[napi]
    pub fn remove_allowed_ips(&self, peer: u32, cidrs: String) -> Result<()> {
        self.with(|engine| engine.remove_allowed_ips(peer, &cidrs))
    }

    #[napi]
    pub fn clear_allowed_ips(&self, peer: u32) -> Result<()> {
        self.with(|engine| engine.clear_allowed_ips(peer))
    }

    #[napi]
    pub fn allowed_ips(&self, peer: u32) -> Result<String> {
        self.with(|engine| engine.allowed_ips(peer))
    }

    #[napi]
    pub fn new_index(&self, peer: u32) -> Result<u32> {
        self.with(|engine| engine.new_index(peer))
    }

    #[napi]
    pub fn free_index(&self, index: u32) -> Result<()> {
        self.engine()?.free_index(index);
        Ok(())
    }

    #[napi]
    pub fn install_keypair(&mut self, peer: u32, keypair: Keypair) -> Result<()> {
        let options = KeypairOptions {
            local_index: keypair.local_index,
            remote_index: keypair.remote_index,
            initiator: keypair.initiator,
            send_key: key(&keypair.send_key)?,
            receive_key: key(&keypair.receive_key)?,
        };
        self.with_mut(|engine| engine.install_keypair(peer, &options))
    }

    #[napi]
    pub fn clear_keypairs(&self, peer: u32) -> Result<()> {
        self.with(|engine| engine.clear_keypairs(peer))
    }

    #[napi]
    pub fn drop_staged(&self, peer: u32) -> Result<()> {
        self.with(|engine| engine.drop_staged(peer))
    }

    #[napi]
    pub fn send_handshake(&mut self, peer: u32, message: Uint8Array) -> Result<bool> {
        self.with_mut(|engine| engine.send_handshake(peer, &message))
    }

    #[napi]
    pub fn send_keepalive(&mut self, peer: u32) -> Result<()> {
        self.with_mut(|engine| engine.send_keepalive(peer))
    }

    #[napi]
    pub fn ask_again(&mut self, peer: u32) -> Result<()> {
        self.with_mut(|engine| engine.ask_again(peer))
    }

    #[napi]
    pub fn rest(&self, peer: u32, seen_ms: BigInt) -> Result<bool> {
        self.with(|engine| engine.rest(peer, seen_ms.get_u64().1))
    }

    #[napi]
    pub fn counters(&self, chunk: u32) -> Result<Option<BigUint64Array>> {
        Ok(self.engine()?.chunk(chunk as usize).map(share))
    }

    #[napi]
    pub fn drop_names() -> Vec<&'static str> {
        DROP_NAMES.to_vec()
    }

    #[napi]
    pub fn drops(&self) -> Result<BigUint64Array> {
        Ok(BigUint64Array::new(self.engine()?.drops()))
    }

    #[napi]
    #[allow(clippy::cast_precision_loss)] // exact up to 9 PB
    pub fn status(&self) -> Result<EngineStatus> {
        let status = self.engine()?.status();
        let offloads = status.offloads.into_iter();
        Ok(EngineStatus {
            aead: status.aead,
            threads: status.threads as u32,
            memory_bytes: status.memory_bytes as f64,
            offloads: offloads
                .map(|(name, state, reason)| EngineOffload {
                    name,
                    state: state.name(),
                    reason,
                })
                .collect(),
        })
    }

    #[napi]
    pub fn drain(&self) -> Result<Buffer> {
        Ok(self.engine()?.drain().into())
    }
}

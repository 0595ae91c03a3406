//! Tells the linker which symbols Node.js provides.

fn main() {
    napi_build::setup();
}

//! The packet half of a userspace `WireGuard` device.

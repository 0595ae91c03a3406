//! `CLOCK_BOOTTIME`: it only grows, and counts the time that the machine slept, so that old keys are old after a suspend.

/// Milliseconds since the machine started.
#[must_use]
pub fn now_ms() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a timespec that the kernel fills; the clock has existed since Linux 2.6.39.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1000 + time.tv_nsec.unsigned_abs() / 1_000_000
}

//! What machine this is: its clock and its kernel.

use std::ffi::CStr;

/// Milliseconds of `CLOCK_BOOTTIME` since the machine started: it only grows, and counts the time that the machine slept,
/// so that old keys are old after a suspend.
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

/// The kernel's release: 6.18.3-cloud is (6, 18, 3). What is not a number is 0.
#[must_use]
pub fn release() -> (u32, u32, u32) {
    // SAFETY: a utsname is made of bytes; zero is a value of each.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills `name`, and cannot fail to.
    unsafe { libc::uname(&raw mut name) };
    // SAFETY: the kernel has ended the text with a zero.
    let text = unsafe { CStr::from_ptr(name.release.as_ptr()) };
    parse_release(&text.to_string_lossy())
}

fn parse_release(text: &str) -> (u32, u32, u32) {
    let mut numbers = text
        .split(|character: char| !character.is_ascii_digit())
        .map(|digits| digits.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_is_three_numbers() {
        let cases = [
            ("6.18.44", (6, 18, 44)),
            ("7.1.4-amd64", (7, 1, 4)),
            ("7.0-rc3", (7, 0, 0)),
            ("", (0, 0, 0)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_release(text), expected, "{text}");
        }
        assert!(release() > (3, 0, 0));
    }
}

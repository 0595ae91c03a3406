//! The command line as whoever types it sees it.

use std::process::Command;

#[test]
fn help_is_no_error_and_bad_input_is_2() {
    let cases: [(&str, i32, &str); 9] = [
        ("--help", 0, "Usage:\n  podwire-traffic receive"),
        ("send -h", 0, "Examples:"),
        ("", 2, "receive, send or flood?"),
        ("sned --to 127.0.0.1:9", 2, "\"sned\" is none of"),
        ("receive 7777", 2, "\"7777\" is not an option"),
        ("receive --port", 2, "--port has no value"),
        ("send --rate 1", 2, "--to is missing"),
        (
            "flood --to 127.0.0.1:9 --kind x",
            2,
            "--kind cannot be \"x\"",
        ),
        (
            "send --to 255.255.255.255:9 --size 12",
            1,
            "255.255.255.255:9: ",
        ),
    ];
    for (words, status, says) in cases {
        let output = Command::new(env!("CARGO_BIN_EXE_podwire-traffic"))
            .args(words.split_whitespace())
            .output()
            .unwrap();
        let printed = if status == 0 {
            output.stdout
        } else {
            output.stderr
        };
        let printed = String::from_utf8(printed).unwrap();
        assert_eq!(output.status.code(), Some(status), "{words}: {printed}");
        assert!(printed.contains(says), "{words}: {printed}");
    }
}

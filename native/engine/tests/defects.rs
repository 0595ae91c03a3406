//! A panic in any thread ends the process with a message. The panic is that of the `wake` that whoever opens an engine
//! passes: it is called on the thread that has an event to tell, so the engine needs no way to fail on purpose.
//!
//! Each case runs in a process of its own (this file again), in a network namespace of its own.

use std::net::UdpSocket;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;
use std::{env, fs, thread};

use podwire_engine::mac::Mac1;
use podwire_engine::offload::Switches;
use podwire_engine::{Engine, Options, defect};

const VARIABLE: &str = "PODWIRE_TEST_DEFECT";
const NAME: &str = "defect0";
const SIGABRT: i32 = 6;
/// Those that call `wake`; the last has no name.
const THREADS: [&str; 4] = [
    "podwire-out-0",
    "podwire-in",
    "podwire-deliver",
    "JavaScript",
];

fn ip(args: &[&str]) {
    assert!(
        Command::new("ip").args(args).status().unwrap().success(),
        "ip {args:?}"
    );
}

/// Opens an engine whose `wake` panics on the thread, and makes that thread have something to tell.
fn provoke(wanted: &'static str) {
    defect::end_on_panic();
    let options = Options {
        name: NAME,
        mtu_bytes: 1420,
        tun_fd: None,
        switches: Switches::default(),
        // The thread that delivers is there only if there are several.
        threads: if wanted == "podwire-deliver" { 2 } else { 1 },
    };
    let mut engine = Engine::open(&options, move || {
        let here = thread::current().name().unwrap_or("JavaScript").to_owned();
        assert!(here != wanted, "provoked");
    })
    .unwrap();
    match wanted {
        "podwire-out-0" => ip(&["link", "set", NAME, "up"]),
        "podwire-in" | "podwire-deliver" => {
            ip(&["link", "set", "lo", "up"]);
            engine.set_public_key(Some(&[7; 32]));
            let mut initiation = [0; 148];
            initiation[0] = 1;
            let mac1 = Mac1::new(&[7; 32]).compute(&initiation[..116]);
            initiation[116..132].copy_from_slice(&mac1);
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket
                .send_to(&initiation, ("127.0.0.1", engine.bind(0).unwrap()))
                .unwrap();
        }
        _ => {
            let peer = engine.add_peer([1; 32]).unwrap();
            engine.set_endpoint(peer, "192.0.2.1:1").unwrap();
            engine.send_keepalive(peer).unwrap();
        }
    }
    thread::sleep(Duration::from_secs(10)); // until the other thread has ended this process
}

#[test]
#[ignore = "it is the process that the other test starts"]
fn child() {
    let wanted = THREADS
        .into_iter()
        .find(|name| env::var(VARIABLE).is_ok_and(|value| value == *name));
    // A thread without a name, as Node.js's are.
    thread::spawn(move || provoke(wanted.unwrap()))
        .join()
        .unwrap();
}

#[test]
fn a_panic_in_each_thread_ends_the_process_with_a_message() {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let namespace: &[&str] = if is_root {
        &["--net"]
    } else {
        &["--map-root-user", "--net"]
    };
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(namespace);
        command
    };
    if !is_root
        && !unshare()
            .arg("true")
            .status()
            .is_ok_and(|status| status.success())
    {
        eprintln!("skipped: no network namespaces without root here");
        return;
    }
    for thread in THREADS {
        let mut command = unshare();
        command.arg(env::current_exe().unwrap()).args([
            "--exact",
            "child",
            "--ignored",
            "--nocapture",
        ]);
        let output = command.env(VARIABLE, thread).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(SIGABRT), "{thread}: {said}");
        let expected = format!(
            "podwire: a defect in thread {thread}: provoked, native/engine/tests/defects.rs:"
        );
        assert!(said.contains(&expected), "{thread}: {said}");
        assert!(
            said.contains("; the device ends; please report it\n"),
            "{thread}: {said}"
        );
    }
}

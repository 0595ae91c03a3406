//! What the fuzz targets do with the bytes that they are fed (`../fuzz`), inside the crate, so that they reach what is private.

use std::time::Duration;

use crate::generic::GenericMessage;
use crate::socket::Answer;
use crate::wireguard::{read, write};
use crate::{WireguardChange, WireguardDevice, WireguardPeer, WireguardPeerChange};

/// Small, so that a device of a few peers takes several requests.
const REQUEST_BYTES: usize = 400;

/// The attributes of two messages of a dump, cut where the first byte says. What reads as a device, written as a change, reads as the
/// same device.
pub fn device(bytes: &[u8]) {
    let [cut, rest @ ..] = bytes else { return };
    let (first, second) = rest.split_at(rest.len().min(usize::from(*cut) * 4));
    let Ok(mut device) = read::device_of("", [first, second].into_iter()) else {
        return;
    };
    // A change has none of these.
    for peer in &mut device.peers {
        peer.last_handshake = Duration::ZERO;
        (peer.rx_bytes, peer.tx_bytes) = (0, 0);
    }
    assert_eq!(written_and_read(&device), device);
}

fn written_and_read(device: &WireguardDevice) -> WireguardDevice {
    let change = WireguardChange {
        private_key: device.private_key.clone(),
        listen_port: Some(device.listen_port),
        fwmark: Some(device.fwmark),
        replace_peers: true,
        peers: device.peers.iter().map(change_of).collect(),
    };
    let mut requests = Vec::new();
    write::each_request("wg0", &change, REQUEST_BYTES, |bytes| {
        assert!(bytes.len() <= REQUEST_BYTES);
        requests.push(bytes);
        Ok(())
    })
    .expect("nothing refuses them");
    read::device_of("", requests.iter().map(|bytes| &bytes[..])).expect("it is ours")
}

fn change_of(peer: &WireguardPeer) -> WireguardPeerChange {
    WireguardPeerChange {
        public_key: peer.public_key,
        preshared_key: peer.preshared_key.clone(),
        endpoint: peer.endpoint,
        persistent_keepalive: Some(peer.persistent_keepalive),
        replace_allowed_ips: true,
        allowed_ips: (peer.allowed_ips.iter())
            .map(|&(address, length)| (address, length, true))
            .collect(),
        ..WireguardPeerChange::default()
    }
}

/// A datagram of the answer to a request of number 0, and the devices in its messages.
pub fn datagram(bytes: &[u8]) {
    let mut answer = Answer::<GenericMessage>::default();
    let _ = answer.take("", 0, bytes);
    let messages = answer
        .messages
        .iter()
        .map(|message| &message.attributes[..]);
    let _ = read::device_of("", messages);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    type Run = fn(&[u8]);

    #[test]
    fn corpora_are_answered() {
        let targets: [(&str, Run); 2] = [("device", super::device), ("datagram", super::datagram)];
        for (name, run) in targets {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("fuzz/corpus")
                .join(name);
            for file in fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                println!("{}", path.display());
                run(&fs::read(path).unwrap());
            }
        }
    }
}

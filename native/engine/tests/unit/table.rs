use super::*;
use crate::endpoint::Endpoint;

fn options(local_index: u32, initiator: bool) -> KeypairOptions<'static> {
    KeypairOptions {
        local_index,
        remote_index: 9,
        initiator,
        send_key: &[1; 32],
        receive_key: &[2; 32],
    }
}

fn is_invalid<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Invalid(_)))
}

#[test]
fn indices_follow_their_keypairs() {
    let mut table = Table::default();
    let peer = table.add_peer([1; 32]).unwrap();
    let taken: Vec<u32> = (0..4).map(|_| table.new_index(peer).unwrap()).collect();
    table.install(peer, &options(taken[0], true), 0).unwrap();
    table.install(peer, &options(taken[1], true), 0).unwrap();
    assert_eq!(table.sessions(), 4, "two of keypairs, two of handshakes");
    table.install(peer, &options(taken[2], true), 0).unwrap();
    assert!(
        table.session(taken[0]).is_none(),
        "it was the oldest keypair's"
    );
    table.free_index(taken[2]);
    assert!(
        table.session(taken[2]).is_some(),
        "only a handshake's can be freed"
    );
    table.free_index(taken[3]);
    assert_eq!(table.sessions(), 2);
    assert!(
        is_invalid(&table.install(peer, &options(taken[2], true), 0)),
        "it is a keypair's"
    );
    assert!(
        is_invalid(&table.install(peer, &options(taken[3], true), 0)),
        "it was freed"
    );
    table.clear_keypairs(peer).unwrap();
    assert_eq!(table.sessions(), 0);
}

#[test]
fn paper_5_4_1_an_index_is_random_and_its_peers_alone() {
    let mut table = Table::default();
    let [a, b] = [1, 2].map(|byte| table.add_peer([byte; 32]).unwrap());
    let index = table.new_index(a).unwrap();
    assert!(is_invalid(&table.install(b, &options(index, true), 0)));
    assert_eq!(table.session(index).map(Session::peer), Some(a));
}

#[test]
fn a_removed_peer_leaves_nothing() {
    let mut table = Table::default();
    let [a, b] = [1, 2].map(|byte| table.add_peer([byte; 32]).unwrap());
    let prefixes = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap());
    table.add_allowed_ips(a, &prefixes).unwrap();
    let index = table.new_index(a).unwrap();
    table.install(a, &options(index, false), 0).unwrap();
    table.new_index(a).unwrap();
    table.peer(a).unwrap().stage.push(&[1]);
    table.peer(a).unwrap().note_sent(100, true, 5);
    assert_eq!(table.remove_peer(a).unwrap(), 1, "packets that waited");
    assert_eq!((table.sessions(), table.allowed_ips.nodes()), (0, 0));
    assert!(is_invalid(&table.remove_peer(a)));
    assert!(is_invalid(&table.new_index(a)));
    assert!(table.promote(index).is_none());

    let again = table.add_peer([1; 32]).unwrap();
    assert_eq!(again, a, "its place is free again");
    let words = &table.peer(again).unwrap().words;
    let tx = words
        .at(crate::counters::Word::TxBytes)
        .load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(tx, 0, "with fresh counters");
    assert!(is_invalid(&table.add_peer([2; 32])), "a key twice");
    table.remove_peer(b).unwrap();
    table.remove_peer(again).unwrap();
    assert_eq!(
        table.add_peer([3; 32]).unwrap(),
        b,
        "the place that is free longest"
    );
}

#[test]
fn a_prefix_moves_between_the_lists_of_peers() {
    let mut table = Table::default();
    let [a, b] = [1, 2].map(|byte| table.add_peer([byte; 32]).unwrap());
    let list = |table: &Table, id| {
        table
            .peer(id)
            .unwrap()
            .allowed
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let [v4, v6, other] =
        ["10.0.0.0/8", "fd00::/8", "192.0.2.0/24"].map(|text| text.parse().unwrap());
    table.add_allowed_ips(a, &[v6, v4, v4]).unwrap();
    assert_eq!(list(&table, a), ["10.0.0.0/8", "fd00::/8"]);
    table.add_allowed_ips(b, &[v4, other]).unwrap();
    assert_eq!(
        (list(&table, a), list(&table, b)),
        (
            vec!["fd00::/8".into()],
            vec!["10.0.0.0/8".into(), "192.0.2.0/24".into()]
        )
    );
    table.remove_allowed_ips(a, &[v4]).unwrap();
    assert_eq!(
        table.allowed_ips.lookup("10.0.0.1".parse().unwrap()),
        Some(b),
        "it is not a's to remove"
    );
    table.clear_allowed_ips(b).unwrap();
    assert_eq!((list(&table, b).len(), table.allowed_ips.nodes()), (0, 1));
}

#[test]
fn counters_of_many_peers_lie_in_chunks() {
    let mut table = Table::default();
    let ids: Vec<PeerId> = (0..=CHUNK_PEERS as u32)
        .map(|number| {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_le_bytes());
            table.add_peer(key).unwrap()
        })
        .collect();
    table.peer(ids[CHUNK_PEERS]).unwrap().note_sent(5, false, 1);
    let first_words = |chunk: usize| {
        table.chunk(chunk).unwrap().words()[0].load(std::sync::atomic::Ordering::Relaxed)
    };
    assert_eq!((first_words(0), first_words(1)), (0, 5));
    assert!(table.chunk(2).is_none());
}

#[test]
fn kernel_forgotten_sources_leave_the_peers_where_they_are() {
    let mut table = Table::default();
    let [a, b] = [1, 2].map(|byte| table.add_peer([byte; 32]).unwrap());
    let remote = ([192, 0, 2, 1], 51820).into();
    table.peer_mut(a).unwrap().endpoint = Some(Endpoint {
        remote,
        local: Some([192, 0, 2, 2].into()),
    });
    table.forget_sources();
    let endpoint = |id| table.peer(id).unwrap().endpoint;
    assert_eq!(endpoint(a), Some(Endpoint::configured(remote)));
    assert_eq!(endpoint(b), None);
}

use super::*;

#[test]
fn header_is_the_kernels_struct() {
    let vnet = Vnet {
        flags: NEEDS_CSUM,
        gso_type: GSO_TCPV4 | GSO_ECN,
        header_bytes: 52,
        gso_size: 1368,
        csum_start: 20,
        csum_offset: 16,
    };
    let fields = [52_u16, 1368, 20, 16].map(u16::to_ne_bytes);
    let bytes = [&[1, 0x81][..], fields.as_flattened()].concat();
    assert_eq!(vnet.write()[..], bytes);
    assert_eq!(Vnet::read(&vnet.write()), vnet);
    assert_eq!(Vnet::default().write(), [0; VNET_BYTES]);
}

// The network that the demo shows: three hosts on two networks joined by a router, one of them behind a NAT, and a fourth
// that joins later.
//
//      a ──── north ──── router ──── south ──┬── b
//                                            ├── nat ──── home ──── c
//                                            └── d  (joins later)

import type { HostDescription, LabDescription } from '../lab/description.ts'

/** The network's range, which nothing between the hosts may show. */
export const range = ['10.99.0.0/16', 'fd99::/48']

/** Its name, and the host of its server: the records of all are there. */
export const network = 'demo'
export const serverHost = { name: 'a', address: '192.0.2.10' }

const toSouth = ['198.51.100.254', '2001:db8:2::fe']

function southHost(number: number): HostDescription {
  return {
    networks: [{ network: 'south', addresses: [`198.51.100.${number}/24`, `2001:db8:2::${number}/64`] }],
    gateways: toSouth,
  }
}

export const labDescription: LabDescription = {
  name: 'demo',
  networks: { north: {}, south: {}, home: {} },
  hosts: {
    a: {
      networks: [{ network: 'north', addresses: ['192.0.2.10/24', '2001:db8:1::10/64'] }],
      gateways: ['192.0.2.254', '2001:db8:1::fe'],
    },
    b: southHost(10),
    c: {
      networks: [{ network: 'home', addresses: ['192.168.1.10/24', 'fd00:1::10/64'] }],
      gateways: ['192.168.1.1', 'fd00:1::1'],
    },
    router: {
      networks: [
        { network: 'north', addresses: ['192.0.2.254/24', '2001:db8:1::fe/64'] },
        { network: 'south', addresses: ['198.51.100.254/24', '2001:db8:2::fe/64'] },
      ],
      forward: true,
    },
    nat: {
      networks: [
        { network: 'south', addresses: ['198.51.100.20/24', '2001:db8:2::20/64'] },
        { network: 'home', addresses: ['192.168.1.1/24', 'fd00:1::1/64'] },
      ],
      gateways: toSouth,
      nat: { kind: 'endpoint-independent', towards: 'south' },
    },
  },
}

/** The host that joins while traffic flows. */
export const lateHost = { name: 'd', description: southHost(30) }

/** Where everything between hosts passes: both sides of the router, and the LAN that b and c's NAT share. */
export const capturePoints = [
  { name: 'router, north', host: 'router', link: 'north' },
  { name: 'router, south', host: 'router', link: 'south' },
  { name: 'LAN south', host: '_south', link: '_lan' },
] as const

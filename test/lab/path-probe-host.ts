// A process with a path probe and no device: what the device would say is given, and so is what the kernel would. It says "ready",
// and then each change of an MTU as a line of JSON.

import { PathProbe } from '../../src/agent/path-probe.ts'
import { decodeKey, parsePublicKey } from '../../src/base/key.ts'
import { Secret } from '../../src/base/secret.ts'
import { publicKeyOf } from '../../src/wireguard/keys.ts'

const { key, peer, endpoint, listenPort } = JSON.parse(process.argv[2] ?? '')
const privateKey = new Secret(decodeKey(key, 'the test'))
const publicKey = parsePublicKey(peer, 'the test')
let sent = 0n
const silent = () => {}
const probe = new PathProbe({
  device: {
    async get() {
      sent += 10_000n
      const state = { publicKey, endpoint, lastHandshakeMs: Date.now(), txBytes: sent, rxBytes: 0n }
      return { listenPort, fwmark: 0, peers: [{ ...state, persistentKeepaliveSeconds: 0, allowedIps: [] }] }
    },
    async set() {},
  },
  deviceName: 'wg0',
  links: {
    links: () => [{ index: 9, name: 'wg0', mtuBytes: 1420, up: true }],
    routeTo: () => ({ link: 'left', mtuBytes: 1500 }),
  },
  privateKey,
  publicKey: publicKeyOf(privateKey),
  listenPort,
  adopted: new Map(),
  onChange: peer => console.log(JSON.stringify({ peer, mtuBytes: probe.mtus.get(peer) })),
  log: { debug: silent, info: silent, warn: silent, error: silent },
  times: { lookMs: 50, checkMs: 100, longerMs: 200, silentMs: { least: 100, most: 500 } },
})
await probe.start()
console.log('ready')
process.stdin.on('end', () => probe.close()).resume()

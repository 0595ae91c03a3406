// Two devices that are there, and a tunnel between them: run by a program instead of wg(8).
//   podwire device wg0; podwire device wg1; node two-devices.mjs wg0 wg1

import { connectUapi, generatePresharedKey, generatePrivateKey, publicKeyOf } from 'podwire/wireguard'

const [left = 'wg0', right = 'wg1'] = process.argv.slice(2)
const presharedKey = generatePresharedKey()
const ends = [
  { device: connectUapi(left), key: generatePrivateKey(), port: 51830, address: '10.9.0.1/32' },
  { device: connectUapi(right), key: generatePrivateKey(), port: 51831, address: '10.9.0.2/32' },
]
for (const [i, { device, key, port }] of ends.entries()) {
  const other = ends[1 - i]
  await device.set({
    privateKey: key,
    listenPort: port,
    peers: [
      {
        publicKey: publicKeyOf(other.key),
        presharedKey,
        endpoint: `127.0.0.1:${other.port}`,
        allowedIps: [other.address],
      },
    ],
  })
}
for (const { device } of ends) {
  const { listenPort, peers } = await device.get()
  console.log(listenPort, peers.map(({ endpoint, allowedIps }) => `${endpoint} ${allowedIps}`).join(', '))
}

// A process with many peers, driven over its IPC channel: it must live in the network namespace that they speak from.
// In: [number, method, ...arguments]. Out: { number, result } or { number, error }.

import { ManyPeers } from './many-peers.ts'

const peers = new ManyPeers(Number(process.argv[2]))

process.on('message', async ([number, method, ...args]: [number, string, ...unknown[]]) => {
  try {
    process.send?.({ number, result: await Reflect.apply(Reflect.get(peers, method), peers, args) })
  } catch (error) {
    process.send?.({ number, error: String(error) })
  }
})
process.on('disconnect', () => process.exit())

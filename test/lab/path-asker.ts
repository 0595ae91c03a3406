// Asks 203.0.113.1 one question of a kind, and then true ones of another length until one is answered, which says that the first had
// its time; prints the lengths of the answers to the first. Where nobody is expected to answer, it gives up after a while.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { formatPathMessage, parsePathMessage, probeKeys } from '../../src/agent/path-message.ts'
import { decodeKey, parsePublicKey } from '../../src/base/key.ts'
import { Secret } from '../../src/base/secret.ts'
import { generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'

const options = JSON.parse(process.argv[2] ?? '')
const own = new Secret(decodeKey(options.key, 'the test'))
const peer = parsePublicKey(options.peer, 'the test')
const stranger = generatePrivateKey()
const asks = probeKeys(own, publicKeyOf(own), peer)?.asks
const strange = probeKeys(stranger, publicKeyOf(stranger), peer)?.asks
if (asks === undefined || strange === undefined) throw new Error('a key of low order')

const number = Date.now() * 1000
const question = (key = asks, kind: 'question' | 'answer' = 'question', at = number) =>
  formatPathMessage({ kind, bytes: 1312, number: at }, key)
const changed = question()
changed[2] = (changed[2] ?? 0) ^ 1
const first: Record<string, Buffer> = {
  true: question(),
  stranger: question(strange),
  changed,
  cut: question().subarray(0, 1000),
  old: question(asks, 'question', number - 600_000_000),
  answer: question(asks, 'answer'),
  noise: Buffer.alloc(1312, 1),
}

const socket = createSocket('udp4').bind(0)
await once(socket, 'listening')
const lengths: number[] = []
const seen = new AbortController()
socket.on('message', datagram => {
  const message = parsePathMessage(datagram)
  if (message?.kind !== 'answer') return
  if (message.bytes === 1312) lengths.push(datagram.length)
  else seen.abort()
})
socket.send(first[options.kind] ?? '', 52820, '203.0.113.1')
for (const deadline = performance.now() + options.patienceMs; performance.now() < deadline && !seen.signal.aborted; ) {
  const last = formatPathMessage({ kind: 'question', bytes: 1400, number: Date.now() * 1000 + 1 }, asks)
  socket.send(last, 52820, '203.0.113.1')
  await delay(200, undefined, { signal: seen.signal }).catch(() => {})
}
socket.close()
console.log(JSON.stringify(lengths))

// Records complete exchanges with wireguard-go, both roles, with and without a preshared key, for noise.test.ts. Run as root:
//   node build/test/unit/wireguard/vectors/record.js /path/to/wireguard > test/unit/wireguard/vectors/wireguard-go.json
// All keys are made for this; the peer runs in a network namespace of its own and talks over its loopback.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Keypair } from '../../../../src/native/engine.ts'
import { addMacs, createMacState } from '../../../../src/wireguard/cookie.ts'
import { open, seal } from '../../../../src/wireguard/crypto.ts'
import { generatePresharedKey, generatePrivateKey } from '../../../../src/wireguard/keys.ts'
import {
  consumeInitiation,
  consumeResponse,
  createIdentity,
  createInitiation,
  createRemote,
  createResponse,
} from '../../../../src/wireguard/noise.ts'
import { timestamp } from '../../../../src/wireguard/tai64n.ts'

const interfaceName = 'pwrec0'
const peerPort = 51871
const canary = 'podwire: a recorded packet'
const [program = '', inside] = process.argv.slice(2)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

if (inside === undefined) {
  const namespace = `pwrec-${process.pid}`
  execFileSync('ip', ['netns', 'add', namespace])
  try {
    const self = process.argv[1] ?? ''
    execFileSync('ip', ['netns', 'exec', namespace, process.execPath, self, program, 'inside'], { stdio: 'inherit' })
  } finally {
    execFileSync('ip', ['netns', 'delete', namespace])
  }
} else {
  execFileSync('ip', ['link', 'set', 'lo', 'up'])
  const exchanges: unknown[] = []
  for (const role of ['initiator', 'responder'] as const) {
    for (const withPsk of [false, true]) exchanges.push(await recordOne(role, withPsk))
  }
  console.log(JSON.stringify({ recordedWith: 'wireguard-go', canary, exchanges }, null, 2))
}

/** One exchange, from the first message to the first data packet that the peer sends us. */
async function recordOne(role: 'initiator' | 'responder', withPsk: boolean): Promise<unknown> {
  const own = generatePrivateKey().bytes
  const peer = generatePrivateKey().bytes
  const psk = withPsk ? generatePresharedKey().bytes : new Uint8Array(32)
  const identity = createIdentity(own)
  const peerIdentity = createIdentity(peer)
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const device = await startPeer({ peer, own: identity.publicKey, psk, port: socket.address().port })
  try {
    const remote = createRemote(identity, peerIdentity.publicKey)
    if (remote === undefined) throw new Error('the peer has a key of low order')
    const ephemeral = randomBytes(32)
    const localIndex = randomBytes(4).readUInt32LE()
    const shared = { identity, remote, presharedKey: psk, ephemeral: Uint8Array.from(ephemeral), localIndex }
    const { initiation, response, keypair, stamp } =
      role === 'initiator' ? await initiate(socket, shared) : await answer(socket, shared)
    sendCanary() // staged by the peer, if it is not there yet
    const data = await receive(socket, 4, packet => {
      return Buffer.from(open(keypair.receiveKey, 0n, packet.subarray(16), new Uint8Array(0)) ?? []).includes(canary)
    })
    return {
      role,
      ownPrivateKey: hex(own),
      peerPrivateKey: hex(peer),
      presharedKey: hex(psk),
      ephemeral: hex(ephemeral),
      timestamp: hex(stamp),
      localIndex,
      initiation: hex(initiation),
      response: hex(response),
      data: hex(data),
    }
  } finally {
    device.kill()
    if (device.exitCode === null) await once(device, 'exit')
    socket.close()
  }
}

interface Shared {
  readonly identity: ReturnType<typeof createIdentity>
  readonly remote: NonNullable<ReturnType<typeof createRemote>>
  readonly presharedKey: Uint8Array
  readonly ephemeral: Uint8Array
  readonly localIndex: number
}

interface Exchange {
  readonly initiation: Uint8Array
  readonly response: Uint8Array
  readonly keypair: Keypair
  readonly stamp: Uint8Array
}

async function initiate(socket: Socket, shared: Shared): Promise<Exchange> {
  const stamp = timestamp(Date.now())
  const created = createInitiation({ ...shared, timestamp: stamp })
  if (created === undefined) throw new Error('no initiation')
  addMacs(createMacState(shared.remote.publicKey), created.message, 0)
  socket.send(created.message, peerPort, '127.0.0.1')
  const response = await receive(socket, 2)
  const keypair = consumeResponse({ ...shared, initiator: created.initiator, message: response })
  if (keypair === undefined) throw new Error('the response is not authentic')
  const empty = seal(keypair.sendKey, 0n, new Uint8Array(0), new Uint8Array(0))
  const header = Buffer.alloc(16)
  header.writeUInt32LE(4, 0)
  header.writeUInt32LE(keypair.remoteIndex, 4)
  socket.send(Buffer.concat([header, empty]), peerPort, '127.0.0.1')
  return { initiation: created.message, response, keypair, stamp }
}

async function answer(socket: Socket, shared: Shared): Promise<Exchange> {
  sendCanary() // so that the peer wants a handshake
  const message = await receive(socket, 1)
  const initiation = consumeInitiation(shared.identity, message, () => shared.remote)
  if (initiation === undefined) throw new Error('the initiation is not authentic')
  const created = createResponse({ ...shared, initiation })
  if (created === undefined) throw new Error('no response')
  addMacs(createMacState(shared.remote.publicKey), created.message, 0)
  socket.send(created.message, peerPort, '127.0.0.1')
  return { initiation: message, response: created.message, keypair: created.keypair, stamp: initiation.timestamp }
}

async function receive(socket: Socket, type: number, wanted = (_: Uint8Array) => true): Promise<Uint8Array> {
  for (;;) {
    const [packet] = (await once(socket, 'message', { signal: AbortSignal.timeout(8000) })) as [Buffer]
    if (packet[0] === type && wanted(packet)) return packet
  }
}

function sendCanary(): void {
  const sender = createSocket('udp4')
  sender.send(canary, 9, '10.9.0.2', () => sender.close())
}

async function startPeer(of: {
  peer: Uint8Array
  own: Uint8Array
  psk: Uint8Array
  port: number
}): Promise<ChildProcess> {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  const device = spawn(program, ['-f', interfaceName], { stdio: 'ignore', env: { WG_PROCESS_FOREGROUND: '1' } })
  const deadline = Date.now() + 5000
  while (!existsSync(`/var/run/wireguard/${interfaceName}.sock`)) {
    if (Date.now() > deadline) throw new Error(`${program} did not start`)
    await delay(20)
  }
  const config = `[Interface]
PrivateKey = ${base64(of.peer)}
ListenPort = ${peerPort}
[Peer]
PublicKey = ${base64(of.own)}
PresharedKey = ${base64(of.psk)}
Endpoint = 127.0.0.1:${of.port}
AllowedIPs = 10.9.0.2/32
`
  // Node's pipes are sockets, which cannot be opened by a path: cat gives wg a pipe that can.
  execFileSync('sh', ['-c', `cat | wg setconf ${interfaceName} /dev/stdin`], { input: config })
  execFileSync('ip', ['address', 'add', '10.9.0.1/24', 'dev', interfaceName])
  execFileSync('ip', ['link', 'set', interfaceName, 'up'])
  return device
}

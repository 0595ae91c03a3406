// Two hosts on one link with a WireGuard device each, for the tests of the device: made by whichever program is under test, and
// driven by wg(8) only.
//
//   a: 192.0.2.1, 2001:db8::1 ── net ── b: 192.0.2.2, 2001:db8::2        inside wg0: 10.7.0.N/24, fd07::N/64

import assert from 'node:assert/strict'
import { type ChildProcess, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exec } from '../../src/base/exec.ts'
import { type Lab, startLab } from '../../src/lab/lab.ts'
import { generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { assertNothingLeft, machineLinks } from './leftovers.ts'
import { until } from './until.ts'

export const cli = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

/** A program that makes a device: the interface's name is appended. */
export type DeviceProgram = readonly [string, ...string[]]
export const podwire: DeviceProgram = [process.execPath, cli, 'device', '-f']

/** The wireguard-go to talk to; undefined if there is none, and then `wireguardGoHint` says how to get it. */
export function findWireguardGo(): DeviceProgram | undefined {
  const named = process.env.PODWIRE_WIREGUARD_GO
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  const goPath = spawnSync('go', ['env', 'GOPATH'], { encoding: 'utf8' }).stdout?.trim()
  const places = named
    ? [named]
    : [...(goPath ? [join(goPath, 'bin/wireguard')] : []), join(cache, 'podwire/bin/wireguard')]
  const found = places.find(existsSync)
  return found === undefined ? undefined : [found, '-f']
}

export const wireguardGoHint =
  'no wireguard-go: run `npm run setup`, or `go install golang.zx2c4.com/wireguard@latest`, or name one in PODWIRE_WIREGUARD_GO'

/** wg0 on one of the two hosts. */
export interface End {
  readonly host: 'a' | 'b'
  /** 1 or 2: the last part of its addresses. */
  readonly number: 1 | 2
  /** As wg(8) takes it. */
  readonly privateKey: string
  readonly publicKey: string
}

export function otherHost({ host }: End): 'a' | 'b' {
  return host === 'a' ? 'b' : 'a'
}

export function makeEnds(): [End, End] {
  const end = (host: 'a' | 'b', number: 1 | 2): End => {
    const key = generatePrivateKey()
    return { host, number, privateKey: Buffer.from(key.bytes).toString('base64'), publicKey: publicKeyOf(key) }
  }
  return [end('a', 1), end('b', 2)]
}

/** Runs a test in the two hosts, and asserts that nothing is left of them. */
export async function withTwoHosts(word: string, run: (lab: Lab) => Promise<void>): Promise<void> {
  const links = machineLinks()
  const name = `${word}-${process.pid}`
  const lab = await startLab({
    name,
    networks: { net: {} },
    hosts: {
      a: { networks: [{ network: 'net', addresses: ['192.0.2.1/24', '2001:db8::1/64'] }] },
      b: { networks: [{ network: 'net', addresses: ['192.0.2.2/24', '2001:db8::2/64'] }] },
    },
  })
  try {
    await run(lab)
  } finally {
    await lab.stop()
  }
  assertNothingLeft(name, links)
}

/** Starts a device and waits until wg(8) reaches it. */
export async function startDevice(
  lab: Lab,
  host: string,
  program: DeviceProgram = podwire,
  name = 'wg0',
): Promise<ChildProcess> {
  const child = lab.spawn(host, [...program, name], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, WG_PROCESS_FOREGROUND: '1' },
  })
  await until(`${program[0]} serves ${name}`, async () => {
    assert.equal(child.exitCode, null, 'the device ended')
    return wg(lab, host, 'show', name).then(
      () => true,
      () => false,
    )
  })
  return child
}

/** `wg …` in a host; what it printed. */
export async function wg(lab: Lab, host: string, ...args: string[]): Promise<string> {
  return (await lab.exec(host, ['wg', ...args])).stdout
}

/** `wg setconf`, `addconf` or `syncconf` with this text. (Node's pipes are sockets, which cannot be opened by a path.) */
export async function wgConf(lab: Lab, host: string, verb: string, text: string): Promise<void> {
  await lab.exec(host, ['sh', '-c', `cat | wg ${verb} wg0 /dev/stdin`], { input: text })
}

/** The configuration of an end that knows the other. */
export function configOf(end: End, other: End, peerLines: readonly string[] = []): string {
  return [
    '[Interface]',
    `PrivateKey = ${end.privateKey}`,
    `ListenPort = ${51820 + end.number}`,
    '[Peer]',
    `PublicKey = ${other.publicKey}`,
    `AllowedIPs = 10.7.0.${other.number}/32, fd07::${other.number}/128`,
    ...peerLines,
    '',
  ].join('\n')
}

export function endpointOf(end: End, family: 4 | 6 = 4): string {
  return family === 4
    ? `192.0.2.${end.number}:${51820 + end.number}`
    : `[2001:db8::${end.number}]:${51820 + end.number}`
}

/** Gives wg0 its addresses, switches it on, and waits until the device has heard of that: what came before would be lost. */
export async function bringUp(lab: Lab, { host, number }: End): Promise<void> {
  await lab.exec(host, ['ip', 'address', 'add', `10.7.0.${number}/24`, 'dev', 'wg0'])
  // The kernel ends the detection of duplicates from a work queue, which a busy machine is slow to serve.
  await lab.exec(host, ['ip', 'address', 'add', `fd07::${number}/64`, 'dev', 'wg0', 'nodad'])
  await lab.exec(host, ['ip', 'link', 'set', 'wg0', 'up'])
  await until(`wg0 of ${host} listens`, async () => {
    const port = (await wg(lab, host, 'show', 'wg0', 'listen-port')).trim()
    return port !== '0' && (await lab.exec(host, ['ss', '-Hlun', 'sport', '=', `:${port}`])).stdout !== ''
  })
}

/** A device on each host, configured and up. `peerLines` are added to the section of the peer. */
export async function startTunnel(
  lab: Lab,
  ends: readonly [End, End],
  sides: readonly [TunnelSide, TunnelSide],
): Promise<[ChildProcess, ChildProcess]> {
  const start = async (i: 0 | 1): Promise<ChildProcess> => {
    const [end, other] = i === 0 ? ends : [ends[1], ends[0]]
    const child = await startDevice(lab, end.host, sides[i].program)
    await wgConf(lab, end.host, 'setconf', configOf(end, other, sides[i].peerLines))
    await bringUp(lab, end)
    return child
  }
  return [await start(0), await start(1)]
}

export interface TunnelSide {
  readonly program?: DeviceProgram
  readonly peerLines?: readonly string[]
}

/** Pings the inner addresses of an end from the other. */
export async function pingInner(lab: Lab, from: End, to: End, count = 3): Promise<void> {
  for (const address of [`10.7.0.${to.number}`, `fd07::${to.number}`]) {
    await lab.exec(from.host, ['ping', '-c', String(count), '-i', '0.05', '-W', '3', address])
  }
}

/** The fields of `wg show wg0 dump`: the interface's, and each peer's by public key. */
export async function dump(lab: Lab, host: string): Promise<{ device: string[]; peers: Record<string, Peer> }> {
  const [device = '', ...peers] = (await wg(lab, host, 'show', 'wg0', 'dump')).trimEnd().split('\n')
  return {
    device: device.split('\t'),
    peers: Object.fromEntries(
      peers.map(line => {
        const [publicKey = '', presharedKey, endpoint, allowedIps = '', handshake, rx, tx, keepalive] = line.split('\t')
        const counters = { handshake: Number(handshake), rx: Number(rx), tx: Number(tx) }
        return [publicKey, { presharedKey, endpoint, allowedIps: allowedIps.split(',').sort(), ...counters, keepalive }]
      }),
    ),
  }
}

export interface Peer {
  readonly presharedKey: string | undefined
  readonly endpoint: string | undefined
  readonly allowedIps: string[]
  readonly handshake: number
  readonly rx: number
  readonly tx: number
  readonly keepalive: string | undefined
}

/** The one peer of a device that has one. */
export async function onlyPeer(lab: Lab, host: string): Promise<Peer> {
  const [peer, ...others] = Object.values((await dump(lab, host)).peers)
  assert.ok(peer !== undefined && others.length === 0)
  return peer
}

/** Waits for the end of a process, and gives its exit status. */
export async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    await once(child, 'exit', { signal: AbortSignal.timeout(10_000) })
  }
  return child.exitCode
}

/** Whether the host has an interface of that name. */
export async function hasLink(lab: Lab, host: string, name = 'wg0'): Promise<boolean> {
  return exec([...lab.command(host, ['ip', 'link', 'show', name])] as [string, ...string[]]).then(
    () => true,
    () => false,
  )
}

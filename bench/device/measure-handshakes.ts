// Handshakes that a device answers: a thousand peers, which it knows, each send initiations; what they would do with the
// answers is left out, so that the time is the device's.

import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from '../../src/lab/lab.ts'
import { addMacs, createMacState } from '../../src/wireguard/cookie.ts'
import { createIdentity, createInitiation, createRemote } from '../../src/wireguard/noise.ts'
import { timestamp } from '../../src/wireguard/tai64n.ts'
import { outer } from './lab.ts'
import type { Measure } from './measure.ts'
import { root } from './programs.ts'
import { addFigure } from './samples.ts'
import { cpuSeconds, publicKeys, setUapi } from './subjects.ts'

const peers = 1_000
const handshakesEach = 8

/** The initiations of all peers, in the order in which they are sent, and the peers' public keys. All devices have one key. */
function prepare(): { messages: Buffer; keys: string[] } {
  const remoteKey = Buffer.from(publicKeys.b, 'base64')
  const macs = createMacState(remoteKey)
  const identities = Array.from({ length: peers }, () => createIdentity(randomBytes(32)))
  const remotes = identities.map(identity => createRemote(identity, remoteKey))
  const messages = Array.from({ length: handshakesEach }, (_, turn) =>
    identities.map((identity, peer) => {
      const remote = remotes[peer]
      const made =
        remote &&
        createInitiation({
          identity,
          remote,
          ephemeral: randomBytes(32),
          timestamp: timestamp(1000 * (turn + 1)),
          localIndex: turn * peers + peer,
        })
      if (made === undefined) throw new Error('a random key was of low order')
      addMacs(macs, made.message, 0)
      return made.message
    }),
  )
  const keys = identities.map(({ publicKey }) => Buffer.from(publicKey).toString('hex'))
  return { messages: Buffer.concat(messages.flat()), keys }
}

let prepared: { file: string; keys: string[] } | undefined

function initiationsIn(lab: Lab): { file: string; keys: string[] } {
  if (prepared !== undefined) return prepared
  const { messages, keys } = prepare()
  const file = join(lab.sharedFolder, 'initiations')
  writeFileSync(file, messages)
  prepared = { file, keys }
  return prepared
}

export const measureHandshakes: Measure = async ({ lab, samples, settings }, { name, devices: [, b] }) => {
  if (b === undefined) return
  const { file, keys } = initiationsIn(lab)
  await setUapi(b, keys.map(key => `public_key=${key}\n`).join(''))
  const cpuBefore = cpuSeconds({ devices: [b] })
  const client = [process.execPath, `${root}build/bench/device/handshake-client.js`] as const
  const seconds = Math.min(settings.seconds, 3)
  const { stdout } = await lab.exec('a', [...client, file, outer.b, `${b.port}`, `${seconds}`])
  const { answered, cookies, seconds: taken } = JSON.parse(stdout)
  const cpu = cpuSeconds({ devices: [b] }) - cpuBefore
  if (cookies > 0) console.error(`${name} sent ${cookies} cookie replies: it thinks it is under load`)
  addFigure(samples, name, 'handshakes', answered / taken)
  addFigure(samples, name, 'handshakesPerCpu', answered / cpu)
  // Removed: the same initiations are new again in the next round.
  await setUapi(b, keys.map(key => `public_key=${key}\nremove=true\n`).join(''))
}

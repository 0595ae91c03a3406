// What podwire reads as INI is what Debian's wg-quick and wg read: both take a text or both refuse it, and what a text says
// to a device, it says as well after it has been JSON and INI again.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { PodwireError } from '../../src/base/errors.ts'
import { formatInterfaceIni, parseInterfaceIni } from '../../src/config/interface-ini.ts'
import { formatInterfaceJson, parseInterfaceJson } from '../../src/config/interface-json.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { startDevice, wg, withTwoHosts } from './tunnel.ts'

const key = 'yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk='
const [a, b] = ['xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=', 'TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=']
const [own, peer] = [`[Interface]\nPrivateKey = ${key}\n`, `[Peer]\nPublicKey = ${a}\n`]

/** Texts that all take. */
const good: readonly string[] = [
  '',
  '# nothing\n\n',
  own,
  peer,
  `[INTERFACE]\r\nPRIVATEKEY=${key}\r\nlistenport=51820\r\n`,
  `  [Interface]   # said\n\tPrivateKey\t=\t${key}   # said\n`,
  `${own}ListenPort = 51 820\nFwMark = 0xca6c`,
  `${own}ListenPort = 1\nListenPort = 51821\nFwMark = off`,
  `${own}FwMark = 51820`,
  `${own}FwMark = 0`,
  `${own}FwMark = 0010\nListenPort = 007`,
  `${own}Address = 10.0.0.1/24, fd00::1/64\nDNS = 1.1.1.1\nMTU = 1400\nTable = off\nSaveConfig = true\nPostUp = true; # false\nListenPort = 7`,
  `${own}${peer}AllowedIPs = 10.0.0.0/8, fd00::/8\nallowedips = 192.168.0.0/16`,
  `${own}${peer}AllowedIPs = 10.0.0.1,FD00:0::1,::ffff:1.2.3.4`,
  `${own}${peer}AllowedIPs = 10.0.0.1/24,fd00::1/64`,
  `${own}${peer}Endpoint = 192.0.2.2:51820\nPersistentKeepalive = 25`,
  `${own}${peer}Endpoint = [2001:db8::2]:51820\nPersistentKeepalive = off`,
  `${own}${peer}PersistentKeepalive = 0\nPresharedKey = ${key}`,
  `${own}${peer}AllowedIPs = 10.0.0.0/8\n[Peer]\nAllowedIPs = 10.0.0.0/8, 10.1.0.0/16\nPublicKey = ${b}`,
  `${peer}AllowedIPs = 10.0.0.0/8\n[Interface]\nPrivateKey = ${key}\nListenPort = 9\n`,
]

/** Texts that all refuse. */
const bad: readonly string[] = [
  'ListenPort = 1',
  `${own}[Peers]`,
  `${own}ListenProt = 1`,
  `${own}ListenPort`,
  `${own}ListenPort =`,
  `${own}ListenPort = -1`,
  `${own}FwMark =`,
  `${own}FwMark = 0x`,
  `${own}FwMark = 0X10`,
  `${own}FwMark = 4294967296`,
  '[Interface]\nPrivateKey = short',
  '[Interface]\nPrivateKey =',
  `[Interface]\nPrivateKey = ${key.replace('k=', 'l=')}`,
  `${own}Endpoint = 192.0.2.2:1`,
  '[Peer]\nAllowedIPs = ::/0',
  `${peer}Address = 10.0.0.1`,
  `${peer}AllowedIPs =`,
  `${peer}AllowedIPs = +10.0.0.0/8`,
  `${peer}AllowedIPs = 010.0.0.0/8`,
  `${peer}AllowedIPs = 10.0.0.0/8,`,
  `${peer}AllowedIPs = 10.0.0.0/33`,
  `${peer}AllowedIPs = 10.0.0.300`,
  `${peer}Endpoint = 192.0.2.2`,
  `${peer}Endpoint = [192.0.2.2:1`,
  `${peer}PersistentKeepalive = 65536`,
  `${peer}PersistentKeepalive = 25s`,
  `${own}SaveConfig = yes`,
]

/** Texts that wg takes and podwire refuses: hardly meant, or read in two ways. */
const stricter: readonly string[] = [
  `${own}ListenPort = 65536`, // is 0 there
  `${own}Listen Port = 1`,
  `${peer}AllowedIPs = 10.0.0.0/08`,
  `${peer}Endpoint = ::1:1`,
]

interface Oracle {
  /** What the device says after Debian's programs gave it the text; undefined if they refuse it. */
  says(text: string): Promise<string | undefined>
}

async function withOracle(word: string, run: (oracle: Oracle) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-config-test-'))
  const file = join(folder, 'wg0.conf')
  try {
    await withTwoHosts(word, async lab => {
      await startDevice(lab, 'a')
      await run({ says: text => saidOf(lab, file, text) })
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function saidOf(lab: Lab, file: string, text: string): Promise<string | undefined> {
  writeFileSync(file, text, { mode: 0o600 })
  try {
    const { stdout } = await lab.exec('a', ['wg-quick', 'strip', file])
    writeFileSync(file, stdout)
    await wg(lab, 'a', 'setconf', 'wg0', file)
  } catch (error) {
    if (error instanceof PodwireError && error.code === 'ERR_PODWIRE_COMMAND_FAILED') return undefined
    throw error
  }
  // Without a port in the text, the kernel gives another one each time.
  return (await wg(lab, 'a', 'showconf', 'wg0')).replace(/listenport/i.test(text) ? /^$/ : /^ListenPort.*\n/m, '')
}

test('config: INI that wg-quick and wg take says the same to a device after it has been JSON', async () => {
  await withOracle('config-good', async ({ says }) => {
    for (const text of good) {
      const said = await says(text)
      assert.ok(said !== undefined, `wg refuses ${text}`)
      const json = formatInterfaceJson(parseInterfaceIni(text, 'wg0.conf'))
      assert.equal(await says(formatInterfaceIni(parseInterfaceJson(json, 'wg0.json'))), said, text)
    }
  })
})

test('config: INI that wg-quick or wg refuses is refused', async () => {
  await withOracle('config-bad', async ({ says }) => {
    for (const text of bad) {
      assert.throws(() => parseInterfaceIni(text, 'wg0.conf'), PodwireError, text)
      assert.equal(await says(text), undefined, text)
    }
    for (const text of stricter) {
      assert.throws(() => parseInterfaceIni(text, 'wg0.conf'), PodwireError, text)
      assert.ok((await says(text)) !== undefined, text)
    }
  })
})

test('config: what wg showconf prints is the canonical form', async () => {
  await withOracle('config-form', async ({ says }) => {
    const all = `${own}ListenPort = 51820\nFwMark = 7\n${peer}PresharedKey = ${key}\nAllowedIPs = 10.0.0.0/8,::/0\nEndpoint = 192.0.2.2:5\nPersistentKeepalive = 25\n[Peer]\nPublicKey = ${b}\n`
    const printed = (await says(all)) ?? ''
    assert.ok(printed.includes('PersistentKeepalive = 25'), printed)
    assert.equal(formatInterfaceIni(parseInterfaceIni(printed, 'wg0.conf')), printed)
  })
})

// What `wg setconf`, `addconf` and `syncconf` make of a text: the table, run by both programs on twins of a backend.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { wg } from './tunnel.ts'
import { assertSame, type Backend, base, keyA, keyB, keyC, type Twins, withTwins } from './wg-tools.ts'

/** Texts, each for setconf, addconf and syncconf. */
const peerC = `[Peer]\nPublicKey=${keyC}\n`
const texts: [title: string, text: string][] = [
  ['the same', base],
  ['nothing', ''],
  ['other names and blanks', base.toLowerCase().replaceAll(' = ', '\t=\t').replace(/=\t.*/g, keepCase)],
  ['another interface', base.replace('51820', '4321').replace('FwMark = 7', 'FwMark = off')],
  ['no mark', base.replace('FwMark = 7\n', '')],
  ['one peer less', base.slice(0, base.lastIndexOf('[Peer]'))],
  ['one peer more', `${base}${peerC}Endpoint=[2001:db8::5]:5\nAllowedIPs=10.9.0.0/16,10.8.0.0/16`],
  ['a prefix that moves', `${base}${peerC}AllowedIPs=10.0.0.0/8`],
  ['another endpoint', base.replace('192.0.2.9', '192.0.2.8')],
  ['another keepalive', base.replace('= 25', '= 26')],
  ['other AllowedIPs', base.replace('fd00::/64', 'fd01::/64 # moved').replace('10.1.0.0/16', '10.1.2.3/16')],
  ['one prefix less', base.replace(', fd00::/64', '')],
  ['a peer said twice', `${base}[Peer]\nPublicKey=${keyA}\nAllowedIPs=10.7.0.0/16`],
  ['an unknown key', `${base}Foo=1`],
  ['a key of wg-quick', base.replace('FwMark', 'MTU')],
  ['a peer without a key', `${base}[Peer]\nAllowedIPs=10.9.0.0/16`],
  ['a bad key', base.replace(keyB, keyB.slice(1))],
  ['a bad prefix', base.replace('fd00::/64', 'fd00::/129')],
  ['a name without an address', `${base}${peerC}Endpoint=nope.invalid:5`],
]

/** Values are what they are in any case but that of their letters. */
function keepCase(value: string): string {
  const line = base.split('\n').find(one => one.toLowerCase().endsWith(value.slice(2).toLowerCase()))
  return `=\t${line?.split(' = ')[1] ?? ''}`
}

/** Runs the table. */
export async function assertConfiguresAsDebian(backend: Backend): Promise<void> {
  await withTwins('wgconf', backend, async twins => {
    const { folder, debian, ours, reset, dumps } = twins
    for (const [title, text] of texts) {
      for (const verb of ['setconf', 'addconf', 'syncconf']) {
        await reset()
        writeFileSync(join(folder, 'text'), text)
        const [theirs, mine] = [await debian([verb, 'debian', 'text']), await ours([verb, 'ours', 'text'])]
        assert.equal(mine.status, theirs.status, `${verb}: ${title}: ${theirs.stderr} ${mine.stderr}`)
        if (theirs.stderr !== '') assert.notEqual(mine.stderr, '', `${verb}: ${title}`) // ours warns of more
        const after = await dumps()
        // Without a port in the text ours keeps the one that is there.
        if (verb === 'syncconf' && text === '') after.debian.splice(0, 1, after.ours[0] ?? '')
        assert.deepEqual(after.ours, after.debian, `${verb}: ${title}`)
      }
    }
    for (const verb of ['setconf', 'addconf', 'syncconf']) {
      for (const name of ['wg9', 'lo', 'net']) {
        const args = [verb, name, 'base']
        assertSame(args.join(' '), await debian(args), await ours(args))
      }
    }
    await reset()
    await syncBeyondDebian(twins)
  })
}

/** What a text no longer has is cleared, which Debian's leaves; signs change the list that is there, which Debian's does not know. */
async function syncBeyondDebian({ lab, folder, ours }: Twins): Promise<void> {
  const bare = base.replace(/(PresharedKey|PersistentKeepalive) .*\n/g, '')
  writeFileSync(join(folder, 'bare'), bare)
  assert.equal((await ours(['syncconf', 'ours', 'bare'])).status, 0)
  const peerA = async () => {
    const line = (await wg(lab, 'a', 'show', 'ours', 'dump')).split('\n').find(text => text.startsWith(keyA)) ?? ''
    const [, presharedKey, , allowedIps = '', , , , keepalive] = line.split('\t')
    return [presharedKey, keepalive, ...allowedIps.split(',').sort()]
  }
  assert.deepEqual(await peerA(), ['(none)', 'off', '10.0.0.0/8', 'fd00::/64'])
  assert.equal((await ours(['set', 'ours', 'peer', keyA, 'allowed-ips', '+10.2.0.0/16,-fd00::/64'])).status, 0)
  assert.deepEqual(await peerA(), ['(none)', 'off', '10.0.0.0/8', '10.2.0.0/16'])
}

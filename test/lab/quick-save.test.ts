// `podwire quick save` that cannot go on: killed at each call with which it writes, and on a full disk. The file is the old one
// or the new one, whole, and its keys are nobody else's to read.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { type QuickHost, withQuickHosts } from './quick-host.ts'
import { cli } from './tunnel.ts'

const killer = fileURLToPath(new URL('./killed-writing.js', import.meta.url))
const [peer, other] = [1, 2].map(() => publicKeyOf(generatePrivateKey()))
const text = `[Interface]
PrivateKey = ${Buffer.from(generatePrivateKey().bytes).toString('base64')}
ListenPort = 51999
Address = 10.7.0.1/24

[Peer]
PublicKey = ${peer}
AllowedIPs = 10.9.0.0/16
`

async function succeeds(at: QuickHost, verb: string, file: string): Promise<void> {
  const { status, stderr } = await at.quick('podwire', [verb, file])
  assert.equal(status, 0, `${verb}: ${stderr}`)
}

test('quick save: killed at any call, it leaves the old file or the new one', async () => {
  await withQuickHosts('kill-save', async at => {
    const before = await at.state()
    const file = at.write('wg0.conf', text)
    await succeeds(at, 'up', file)
    await at.sh(`wg set wg0 peer ${other} allowed-ips 10.11.0.0/16`)
    await succeeds(at, 'save', file)
    const saved = readFileSync(file, 'utf8')
    assert.match(saved, /10\.11\.0\.0\/16/)

    const seen = new Set<string>()
    for (let call = 1; ; call++) {
      at.write('wg0.conf', text)
      const env = { NODE_OPTIONS: `--import=${killer}`, KILLED_AT: String(call) }
      const { status, stderr } = await at.quick('podwire', ['save', file], env)
      const now = readFileSync(file, 'utf8')
      if (status === 0) {
        assert.ok(call > 8, `only ${call - 1} calls were seen`)
        assert.equal(now, saved)
        break
      }
      assert.match(stderr, /^killed at /m)
      assert.ok(now === text || now === saved, `killed at ${call}, the file is neither: ${now.length} bytes`)
      seen.add(now)
      assert.equal(await at.sh('find . -name ".new-*" -perm /077'), '', 'others can read what was left')
    }
    assert.equal(seen.size, 2, 'neither always the old one nor always the new one')

    assert.match(await at.sh('ls -A'), /\.new-/)
    await at.sh('touch -d "1 hour ago" .new-*')
    await succeeds(at, 'save', file)
    assert.doesNotMatch(await at.sh('ls -A'), /\.new-/, 'a later run sweeps up')
    await succeeds(at, 'down', file)
    assert.deepEqual(await at.settled(before), before)
  })
})

test('quick save: on a full disk the file stays as it was', async () => {
  await withQuickHosts('save', async at => {
    const before = await at.state()
    const file = at.write('wg0.conf', text)
    await succeeds(at, 'up', file)
    const script = [
      'mkdir full && mount -t tmpfs -o size=8k,mode=700 none full && cp wg0.conf full/ && head -c 100k /dev/zero > full/zeroes',
      `${process.execPath} ${cli} quick save full/wg0.conf; echo "status $?"`,
      'cat full/wg0.conf; ls -A full; umount full; rmdir full',
    ].join('\n')
    const printed = await at.sh(`exec 2>&1\n${script}`)
    assert.match(printed, /ENOSPC[\s\S]*status 1/)
    assert.ok(printed.endsWith(`${text}wg0.conf\nzeroes\n`), printed)
    await succeeds(at, 'down', file)
    assert.deepEqual(await at.settled(before), before)
  })
})

// `podwire quick` beside Debian's wg-quick on userspace devices (test/kernel has the same on the kernel's), and what it does besides.

import assert from 'node:assert/strict'
import { readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { address, assertLikeWgQuick, conf, endpoint, everything, key, peers } from './quick-cases.ts'
import { withQuickHosts } from './quick-host.ts'
import { cli } from './tunnel.ts'

test('quick: leaves what wg-quick leaves', async t => {
  await withQuickHosts('same', (...hosts) => assertLikeWgQuick(t, hosts))
})

test('quick: through a link named wg-quick, in JSON, and by either tool after the other', async () => {
  await withQuickHosts('link', async at => {
    const before = await at.state()
    const link = join(at.folder, 'wg-quick')
    symlinkSync(cli, link)
    const ini = at.write('wg0.conf', conf([address], [everything, endpoint]))
    assert.match(await at.sh(`${link} 2>&1; echo $?`), /Usage: podwire quick[\s\S]*\n[12]\n$/)
    assert.match(await at.sh(`${link} up ./no.conf 2>&1; echo $?`), /there is no configuration[\s\S]*\n1\n$/)

    assert.equal((await at.quick('podwire', ['up', ini])).status, 0)
    assert.match((await at.quick('podwire', ['up', ini])).stderr, /exists already[\s\S]*quick down/)
    assert.equal((await at.quick('wg-quick', ['down', ini])).status, 0)
    assert.deepEqual(await at.settled(before), before)
    assert.equal((await at.quick('wg-quick', ['up', ini])).status, 0)
    const { processes: _, ...theirs } = await at.state()
    assert.equal((await at.quick('podwire', ['down', ini])).status, 0)
    assert.deepEqual(await at.settled(before), before)

    const json = at.write('wg0.json', await at.sh(`${process.execPath} ${cli} config convert ${ini}`))
    const dry = await at.quick('podwire', ['up', '--dry-run', json])
    assert.ok(dry.status === 0 && /ip -4 rule add not fwmark 51820/.test(dry.stdout), dry.stderr)
    assert.ok(!dry.stdout.includes(key) && !dry.stderr.includes(key))
    assert.deepEqual(await at.state(), before, 'a dry run does nothing')
    assert.equal((await at.quick('podwire', ['up', json])).status, 0)
    const { processes: __, ...ours } = await at.state()
    assert.deepEqual(ours, theirs)
    await at.sh(`wg set wg0 peer ${peers[1]} allowed-ips 10.11.0.0/16`)
    assert.equal((await at.quick('podwire', ['save', json])).status, 0)
    assert.match(readFileSync(json, 'utf8'), /10\.11\.0\.0\/16/)
    assert.equal(statSync(json).mode & 0o777, 0o600)
    assert.equal((await at.quick('podwire', ['down', json])).status, 0)
    assert.deepEqual(await at.settled(before), before)
  })
})

// The file that `podwire quick` is given: which one a name means, what its text is, what of it and of its folder `save` leaves
// alone.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { generatePrivateKey } from '../../src/wireguard/keys.ts'
import { type QuickHost, withQuickHosts } from './quick-host.ts'

const key = Buffer.from(generatePrivateKey().bytes).toString('base64')
const ini = `[Interface]\nPrivateKey = ${key}\nListenPort = 51999\n`
const json = (more: object = {}) => JSON.stringify({ ...more, interface: { privateKey: key, listenPort: 51999 } })

async function succeeds(at: QuickHost, verb: string, file: string): Promise<string> {
  const { status, stderr } = await at.quick('podwire', [verb, file])
  assert.equal(status, 0, `${verb}: ${stderr}`)
  return stderr
}

test('quick save: what others keep beside the file stays, however old', async () => {
  await withQuickHosts('beside', async at => {
    const before = await at.state()
    const file = at.write('wg0.conf', ini)
    const unique = '00112233aabb'
    const others = ['.new-year-plan', '.new-wg0.conf-', `.new-wg0.conf-x${unique}`, `.new-wg1.conf-${unique}`]
    const own = `.new-wg0.conf-${unique}`
    for (const name of [...others, own]) at.write(name, 'mine')
    await at.sh('touch -d "2 hours ago" .new-*')
    await succeeds(at, 'up', file)
    await succeeds(at, 'save', file)
    for (const name of others) assert.ok(existsSync(join(at.folder, name)), name)
    assert.ok(!existsSync(join(at.folder, own)), 'what a writer of this file left is swept')
    await succeeds(at, 'down', file)
    assert.deepEqual(await at.settled(before), before)
  })
})

const schemas: [name: string, text: string, schema: string | undefined][] = [
  ['one of its own', json({ $schema: 'https://example.test/interface.json' }), 'https://example.test/interface.json'],
  ['none', json(), undefined],
]

test('quick: what a file is, its text says, and `save` keeps the form and the schema', async t => {
  await withQuickHosts('kind', async at => {
    const before = await at.state()
    for (const [name, text, schema] of schemas) {
      await t.test(`a schema: ${name}`, async () => {
        const file = at.write('wg0.conf', text)
        for (const verb of ['up', 'save', 'reload', 'down']) await succeeds(at, verb, file)
        const saved = JSON.parse(readFileSync(file, 'utf8'))
        assert.deepEqual([saved.$schema, saved.interface.listenPort], [schema, 51999])
      })
    }
    await t.test('INI under the name of JSON', async () => {
      const file = at.write('wg0.json', ini)
      for (const verb of ['up', 'save', 'down']) await succeeds(at, verb, file)
      assert.match(readFileSync(file, 'utf8'), /^\[Interface\]\n/)
    })
    assert.deepEqual(await at.settled(before), before)
  })
})

test('quick: a file that cannot be taken is named, with what to do', async t => {
  await withQuickHosts('no-file', async at => {
    const before = await at.state()
    at.write('wg0.conf', ini)
    at.write('wg1.json', json())
    at.write('wg2.conf', '{ "network": { "name": "n", "ranges": [] } }')
    at.write('wg4.conf', '')
    await at.sh(`printf '# caf\\351\\n' > wg4.conf; cat wg0.conf >> wg4.conf; mkdir wg3.conf`)
    const refused: [argument: string, status: number, says: RegExp][] = [
      ['none', 2, /there is no configuration \/etc\/wireguard\/none\.conf\n/],
      ['wg0.conf', 2, /there is no configuration \/etc\/wireguard\/wg0\.conf\.conf; did you mean \.\/wg0\.conf\?\n/],
      ['wg1.json', 2, /\/etc\/wireguard\/wg1\.json\.conf; did you mean \.\/wg1\.json\?\n/],
      ['wg9.conf', 2, /there is no configuration \/etc\/wireguard\/wg9\.conf\.conf\n/],
      ['./wg2.conf', 2, /network: this is the document of a network: .*podwire config render/],
      ['./wg3.conf', 1, /wg3\.conf cannot be read: it is a folder\n/],
      ['./wg4.conf', 2, /wg4\.conf: line 1: the bytes are not UTF-8: .*iconv/],
    ]
    for (const [argument, wanted, says] of refused) {
      await t.test(argument, async () => {
        const { status, stderr } = await at.quick('podwire', ['up', argument])
        assert.equal(status, wanted, stderr)
        assert.match(stderr, says)
      })
    }
    assert.deepEqual(await at.settled(before), before)
  })
})

test('quick: of two files with one name the INI is taken, and that is said', async () => {
  await withQuickHosts('two-files', async at => {
    const name = 'pw-two-files'
    at.write(`${name}.conf`, ini)
    at.write(`${name}.json`, json())
    await at.sh('mount --bind . /etc/wireguard') // of this host alone
    const { stdout, stderr } = await at.quick('podwire', ['strip', name])
    assert.match(stderr, /^Warning: .*pw-two-files\.conf is taken, not .*pw-two-files\.json: /)
    assert.match(stdout, /^\[Interface\]\n/)
  })
})

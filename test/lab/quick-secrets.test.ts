// Secrets that `podwire quick` reads from elsewhere: `save` and `down` never write one into a file that did not have it, and a
// dry run runs no program for one.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { generatePresharedKey, generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { type QuickHost, withQuickHosts } from './quick-host.ts'

const base64 = (secret: { bytes: Uint8Array }) => Buffer.from(secret.bytes).toString('base64')
const keys = [base64(generatePrivateKey()), ...[1, 2, 3].map(() => base64(generatePresharedKey()))]
const [privateKey = '', ofFile = '', ofProgram = '', ofHand = ''] = keys
const peers = [1, 2, 3].map(() => publicKeyOf(generatePrivateKey()))

async function succeeds(at: QuickHost, args: string[], env: Record<string, string> = {}) {
  const outcome = await at.quick('podwire', args, env)
  assert.equal(outcome.status, 0, `${args.join(' ')}: ${outcome.stderr}`)
  for (const key of keys) assert.ok(!`${outcome.stdout}${outcome.stderr}`.includes(key), 'a key was printed')
  return outcome
}

/** A document with a secret of each source; the program counts its runs in "runs", and stays for what it is told. */
function writeDocument(at: QuickHost): { file: string; presharedKeys: () => unknown[]; privateKey: () => unknown } {
  at.write('psk', `${ofFile}\n`)
  const program = at.write('secret', `#!/bin/sh\necho run >> ${at.folder}/runs\ncat\necho ${ofProgram}\n`, 0o700)
  const sources = [{ file: join(at.folder, 'psk') }, { command: [program] }, undefined]
  const document = {
    interface: { privateKey: { env: 'WGK' }, saveConfig: true },
    peers: peers.map((publicKey, i) => ({ publicKey, presharedKey: sources[i] })),
  }
  const file = at.write('wg0.json', JSON.stringify(document))
  const saved = () => JSON.parse(readFileSync(file, 'utf8'))
  return {
    file,
    privateKey: () => saved().interface.privateKey,
    presharedKeys: () =>
      peers.map(key => saved().peers.find((peer: { publicKey: string }) => peer.publicKey === key).presharedKey),
  }
}

test('quick save: a source that cannot be read stays, with a warning, and so do all others', async () => {
  await withQuickHosts('secrets', async at => {
    const before = await at.state()
    const { file, ...saved } = writeDocument(at)
    const sources = saved.presharedKeys()
    await succeeds(at, ['up', file], { WGK: privateKey })
    assert.equal(await at.sh(`wg show wg0 preshared-keys | grep -c '${ofFile}\\|${ofProgram}'`), '2\n')

    await at.sh(`echo '${ofHand}' | wg set wg0 peer ${peers[2]} preshared-key /dev/stdin`)
    await at.sh('rm secret')
    const { stderr } = await succeeds(at, ['save', file])
    assert.match(stderr, /Warning: PrivateKey: .* WGK: it is not set; it stays as the file says/)
    assert.match(stderr, /Warning: PresharedKey of .* the program .*secret: there is no such program; it stays/)
    assert.deepEqual(saved.privateKey(), { env: 'WGK' })
    assert.deepEqual(saved.presharedKeys(), [...sources.slice(0, 2), ofHand])

    await at.sh(`echo '${ofHand}' | wg set wg0 peer ${peers[0]} preshared-key /dev/stdin`)
    await succeeds(at, ['down', file])
    assert.deepEqual(saved.privateKey(), { env: 'WGK' })
    assert.deepEqual(saved.presharedKeys(), [ofHand, sources[1], ofHand], "what differs is the device's")
    assert.deepEqual(await at.settled(before), before)
  })
})

test('quick: a dry run runs no program for a secret, and shows what would be done', async () => {
  await withQuickHosts('secrets-dry', async at => {
    const before = await at.state()
    const { file, ...saved } = writeDocument(at)
    const env = { WGK: privateKey }
    const ranOnce = () => existsSync(join(at.folder, 'runs'))
    const dry = async (verb: string) => {
      const { stdout, stderr } = await succeeds(at, [verb, '--dry-run', file], env)
      assert.match(stderr, /PresharedKey of .*: the program .*secret is not run/)
      assert.ok(!ranOnce(), `${verb} --dry-run: the program was run`)
      return stdout
    }
    const shown = await dry('up')
    for (const peer of peers.slice(0, 2)) assert.ok(shown.includes(`peer ${peer} preshared-key (hidden)`), shown)
    await succeeds(at, ['up', file], env)
    assert.ok(ranOnce())
    await at.sh('rm runs')
    assert.doesNotMatch(await dry('reload'), /wg set/, 'nothing of the device would change')
    const sources = saved.presharedKeys()
    assert.match(await dry('save'), /"command": \[/)
    assert.deepEqual(saved.presharedKeys(), sources)
    await succeeds(at, ['down', file], env)
    assert.deepEqual(await at.settled(before), before)
  })
})

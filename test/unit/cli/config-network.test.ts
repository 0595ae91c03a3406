import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../../', import.meta.url))
const star = join(root, 'examples/network/star.json')
const folder = mkdtempSync(join(tmpdir(), 'podwire-config-network-test-'))
after(() => rmSync(folder, { recursive: true }))

const changed = join(folder, 'changed.json')
writeFileSync(changed, readFileSync(star, 'utf8').replace('"tcp/5432"', '"tcp/5433"'))
const lonely = join(folder, 'lonely.json')
writeFileSync(lonely, '{ "network": { "name": "n", "range": ["10.0.0.0/24"] }, "nodes": { "a": {}, "b": {} } }')

const large = join(folder, 'large.json')
const named = Array.from({ length: 1500 }, (_, i) => [`n${i}`, { prefixes: [`10.0.${i >> 8}.${i & 255}`] }])
const network = { name: 'n', range: ['10.0.0.0/8'], topology: 'star', hub: 'h' }
const hub = { publicKey: Buffer.alloc(32, 1).toString('base64'), prefixes: ['10.1.0.1'] }
const nodes = { h: hub, leaf: { prefixes: ['10.1.0.2'] }, ...Object.fromEntries(named) }
writeFileSync(large, JSON.stringify({ network, nodes }))

const cases: { args: string[]; status: number; stdout?: RegExp; stderr?: RegExp }[] = [
  { args: ['check', star], status: 0, stdout: /star\.json: good: a network\n/ },
  { args: ['check', lonely], status: 0, stderr: /warning: .*nodes\.a, nodes\.b: .*neither has an endpoint/ },
  { args: ['check', '--json', star], status: 0, stdout: /"kind": "network"/ },
  { args: ['render', star, '--node', 'web'], status: 0, stdout: /"file": "\/etc\/podwire\/web\.key"/ },
  {
    args: ['render', star, '--node', 'web', '--format', 'ini'],
    status: 0,
    stdout: /^\[Interface\]\n[\s\S]*\n\[Peer\]\n/,
  },
  {
    args: ['render', star, '--node', 'db', '--format', 'nft', '--interface', 'x1'],
    status: 0,
    stdout: /^table inet podwire-accept-x1\n[\s\S]*tcp dport \{ 5432 \} accept/,
  },
  {
    args: ['render', star, '--node', 'hub', '--format', 'nft'],
    status: 0,
    stdout: /goto elsewhere\n(?![\s\S]* ct state)[\s\S]*fib daddr oifname/,
  },
  {
    args: ['render', large, '--node', 'leaf', '--format', 'ini'],
    status: 0,
    stderr: /warning: leaf: a line has 2\d{4} /,
  },
  {
    args: ['render', star, '--node', 'db', '--private-key', 'db.key'],
    status: 0,
    stdout: /"privateKey": \{ "file": "\/[^"]*\/db\.key" \}/,
  },
  { args: ['render', star, '--node', 'nobody'], status: 2, stderr: /no node "nobody"; it has hub, web, db/ },
  { args: ['render', star], status: 2, stderr: /--node/ },
  { args: ['render', star, '--node', 'db', '--format', 'xml'], status: 2, stderr: /json, ini, nft/ },
  { args: ['render', lonely, '--node', 'a'], status: 2, stderr: /ERR_PODWIRE_PEER_KEY/ },
  { args: ['render', join(folder, 'none.json'), '--node', 'a'], status: 1, stderr: /none\.json/ },
  { args: ['diff', star, star], status: 0, stdout: /^No change/ },
  {
    args: ['diff', star, changed],
    status: 0,
    stdout: /^access: web to db: has tcp\/5433 instead of tcp\/5432\nNo session/,
  },
  { args: ['diff', star, changed, '--json'], status: 0, stdout: /"after": "tcp\/5433"/ },
]

for (const { args, status, stdout, stderr } of cases) {
  test(`config: ${args.map(arg => arg.replace(/.*\//, '')).join(' ')}`, () => {
    const result = spawnSync(process.execPath, [join(root, 'build/src/cli/main.js'), 'config', ...args], {
      encoding: 'utf8',
    })
    assert.equal(result.status, status, result.stderr)
    if (stdout) assert.match(result.stdout, stdout)
    if (stderr) assert.match(result.stderr, stderr)
  })
}

test('docs/network.md: its commands work as they stand', () => {
  const text = readFileSync(join(root, 'docs/network.md'), 'utf8')
  const commands = [...text.matchAll(/^podwire (config .* examples\/.*)$/gm)].map(([, command = '']) => command)
  assert.equal(commands.length, 3)
  for (const command of commands) {
    const result = spawnSync(process.execPath, ['build/src/cli/main.js', ...command.split(' ')], {
      cwd: root,
      encoding: 'utf8',
    })
    assert.equal(result.status, 0, result.stderr)
  }
})

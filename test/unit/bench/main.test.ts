import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../../bench/main.js', import.meta.url))
const bench = (...args: string[]) => spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })

const wrong: [args: string[], says: RegExp][] = [
  [[], /there is no benchmark ""/],
  [['nonsense'], /there is no benchmark "nonsense"/],
  [['device', 'twice'], /there is no benchmark "device twice"/],
  [['wg', 'show'], /there is no benchmark "wg show"/],
  [['device', '--only', 'tcp,all'], /there is no part "all"/],
  [['control', '--store', 'paper'], /there is no store "paper"/],
  [['device', '--rounds', '0'], /--rounds is a number from 1/],
  [['device', '--seconds', 'x'], /--seconds is a number from 1/],
  [['device', '--fast'], /'--fast'/],
]
for (const [args, says] of wrong) {
  test(`bench ${args.join(' ')}: is refused, with its usage, and nothing is measured`, () => {
    const { status, stdout, stderr } = bench(...args)
    assert.deepEqual([status, stdout], [2, ''])
    assert.match(stderr, says)
    assert.match(stderr, /\n\nusage: npm run bench -- device .*\n/)
  })
}

test('bench device --help: says what there is to choose', () => {
  const { status, stdout } = bench('device', '--help')
  assert.equal(status, 0)
  assert.match(stdout, /^wg {6}start and time of `podwire wg` /m)
  assert.match(stdout, /--only PART,… {2}tcp, udp, latency, handshakes, attack, scale: /)
})

// `podwire quick` that fails or is killed: at each command that changes something, it dies by SIGKILL, and the next run leaves
// the old or the new state. The commands are stood in for by scripts that count, kill their parent at the count wanted, and
// otherwise do what they stand for.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { acceptHook } from '../../src/plan/node-hooks.ts'
import { generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { type QuickHost, succeeded, takeDnsCalls, withQuickHosts } from './quick-host.ts'
import { assertReloadKeepsSessions } from './quick-reload.ts'
import { cli } from './tunnel.ts'
import { until } from './until.ts'

const keyText = Buffer.from(generatePrivateKey().bytes).toString('base64')
const peers = [1, 2].map(() => publicKeyOf(generatePrivateKey()))

function conf(own: string[], ...ofPeers: string[][]): string {
  const sections = ofPeers.map((lines, i) => ['[Peer]', `PublicKey = ${peers[i]}`, ...lines])
  const lines = [['[Interface]', `PrivateKey = ${keyText}`, 'ListenPort = 51999', ...own], ...sections]
  return lines.map(section => `${section.join('\n')}\n`).join('\n')
}

const full = (...more: string[]) =>
  conf(
    ['Address = 10.7.0.1/24, fd07::1/64', 'DNS = 10.7.0.53', ...more],
    ['AllowedIPs = 0.0.0.0/0, 10.9.0.0/16, ::/0', 'Endpoint = 192.0.2.77:51820'],
  )

/** Puts scripts in the way of what `podwire quick` runs; they kill it after the call whose number is in the file "at". */
async function makeKillers(at: QuickHost): Promise<void> {
  const body = (program: string, changes: string) => `#!/bin/sh
case " $* " in
  ${changes}) ;;
  *) exec ${program} "$@" ;;
esac
cd ${at.folder}
calls=$(($(cat calls) + 1)); echo $calls > calls
${program} "$@"; status=$?
[ $calls != $(cat at) ] || kill -9 $PPID
exit $status
`
  const real = async (name: string) => (await at.sh(`command -v ${name}`)).trim()
  const dns = await at.sh('mv resolvconf resolvconf.real; rm podwire-device; echo $PWD/resolvconf.real')
  at.write('ip', body(await real('ip'), '*" add "*|*" delete "*|*" set "*|*" replace "*'), 0o755)
  at.write('nft', body(await real('nft'), '*" -f "*'), 0o755)
  at.write('resolvconf', body(dns.trim(), '*'), 0o755)
  // A shell between the two holds the lock until this program has ended.
  const device = body(`${process.execPath} ${cli} device`, '*')
  at.write('podwire-device', device.replace('$PPID', '$(ps -o ppid= $PPID)'), 0o755)
  at.write('calls', '0\n')
  at.write('at', '0\n')
}

/** `podwire quick`, killed when its `call`th command is done; whether it got that far. */
async function killedAfter(at: QuickHost, call: number, args: readonly string[]): Promise<boolean> {
  at.write('calls', '0\n')
  at.write('at', `${call}\n`)
  const outcome = await at.quick('podwire', args)
  const reached = Number(readFileSync(join(at.folder, 'calls'), 'utf8')) >= call
  at.write('at', '0\n')
  await at.sh('for file in /run/podwire/lock/*; do flock $file true; done') // until what it started has ended too
  assert.equal(outcome.status !== 0, reached, `${args[0]} at ${call}: ${outcome.stderr}`)
  return reached
}

/** Runs `attempt` for each command until there is none with that number; the hosts share the work. */
async function atEachCommand(
  hosts: readonly QuickHost[],
  least: number,
  attempt: (at: QuickHost, call: number) => Promise<boolean>,
): Promise<void> {
  let call = 0
  const work = async (at: QuickHost) => {
    await makeKillers(at)
    while (await attempt(at, ++call));
  }
  await Promise.all(hosts.map(work))
  assert.ok(call - hosts.length >= least, `only ${call - hosts.length} commands were seen`)
}

test('quick up: killed after any command, `down` leaves nothing, and `up` says so or cleans up', async () => {
  await withQuickHosts('kill-up', async (...hosts) => {
    await atEachCommand(hosts, 12, async (at, call) => {
      const before = await at.state()
      const text = full('PostDown = true', 'SaveConfig = true')
      const file = at.write('wg0.conf', text)
      const reached = await killedAfter(at, call, ['up', file])
      const again = reached ? await at.quick('podwire', ['up', file]) : undefined
      if (again && again.status !== 0) assert.match(again.stderr, /half up[\s\S]*podwire quick down/)
      succeeded(await at.quick('podwire', ['down', file]), `down after ${call}`)
      if (again && again.status !== 0) assert.equal(readFileSync(file, 'utf8'), text, 'half a device was saved')
      assert.deepEqual(await at.settled(before), before, `something is left after ${call}`)
      const dns = takeDnsCalls(at).match(/^-.*$/gm) ?? []
      assert.ok(dns.length === 0 || dns.at(-1) === '-d wg0 -f', dns.join())
      return reached
    })
  })
})

test('quick down: killed after any command, the next `down` removes the rest, and runs PostDown', async () => {
  await withQuickHosts('kill-down', async (...hosts) => {
    await atEachCommand(hosts, 8, async (at, call) => {
      const before = await at.state()
      // A second PreDown would fail: what it takes away is gone.
      const file = at.write('wg0.conf', full('PostUp = touch made', 'PreDown = rm made', 'PostDown = echo down >> log'))
      await at.sh('rm -f log')
      succeeded(await at.quick('podwire', ['up', file]), 'up')
      const reached = await killedAfter(at, call, ['down', file])
      if (reached) succeeded(await at.quick('podwire', ['down', file]), `after ${call}`)
      assert.deepEqual(await at.settled(before), before, `something is left after ${call}`)
      assert.match(await at.sh('cat log'), /down/)
      return reached
    })
  })
})

test('quick up: killed while a device starts, nobody else is let in until it has started', async () => {
  await withQuickHosts('kill-start', async at => {
    const before = await at.state()
    const file = at.write('wg0.conf', full())
    for (const [when, first, last] of [
      ['before', 'kill -9 $quick; touch begun; until [ -e go ]; do sleep 0.02; done; exec $device', ''],
      ['beside', '$device & touch begun; kill -9 $quick; until [ -e go ]; do sleep 0.02; done', 'wait $!'],
    ]) {
      const words = ['#!/bin/sh', `cd ${at.folder}`, 'quick=$(ps -o ppid= $PPID)']
      const device = `device="${process.execPath} ${cli} device $1"`
      await at.sh('rm -f podwire-device begun go')
      at.write('podwire-device', [...words, device, first, last, ''].join('\n'), 0o755)
      assert.notEqual((await at.quick('podwire', ['up', file])).status, 0)
      await until('the program has begun', async () => (await at.sh('ls begun')) !== '')
      for (const verb of ['up', 'down', 'reload']) {
        const { status, stderr } = await at.quick('podwire', [verb, file])
        assert.ok(status === 1 && stderr.includes('QUICK_BUSY'), `${when}: ${verb}: ${stderr}`)
      }
      await at.sh('touch go; flock /run/podwire/lock/quick-wg0@* true')
      succeeded(await at.quick('podwire', ['down', file]), `${when}: down`)
      assert.deepEqual(await at.settled(before), before, when)
    }
  })
})

test('quick down: killed in PostDown, the next one runs it to its end', async () => {
  await withQuickHosts('kill-post-down', async at => {
    const before = await at.state()
    const first = 'PostDown = echo first >> log; test -e killed || { touch killed; kill -9 $PPID; }'
    const file = at.write('wg0.conf', full(first, 'PostDown = echo second >> log'))
    for (const next of ['down', 'up']) {
      await at.sh('rm -f log killed')
      succeeded(await at.quick('podwire', ['up', file]), 'up')
      assert.notEqual((await at.quick('podwire', ['down', file])).status, 0)
      succeeded(await at.quick('podwire', [next, file]), next)
      assert.equal(await at.sh('cat log'), 'first\nfirst\nsecond\n', next)
      if (next === 'up') succeeded(await at.quick('podwire', ['down', file]), 'down')
      assert.deepEqual(await at.settled(before), before, next)
    }
    // A note of another namespace, which had the number of this one, is not of this one.
    await at.sh('rm -f log killed')
    succeeded(await at.quick('podwire', ['up', file]), 'up')
    assert.notEqual((await at.quick('podwire', ['down', file])).status, 0)
    await at.sh("sed -i 's/[0-9]*$/1/' /run/podwire/quick/wg0@*")
    assert.match((await at.quick('podwire', ['down', file])).stderr, /ERR_PODWIRE_QUICK_NOT_UP/)
    assert.equal(await at.sh('cat log'), 'first\n')
    await at.sh('rm /run/podwire/quick/wg0@*')
    // One that fails is told once.
    at.write('wg0.conf', full('PostDown = false'))
    succeeded(await at.quick('podwire', ['up', file]), 'up')
    assert.match((await at.quick('podwire', ['down', file])).stderr, /ERR_PODWIRE_HOOK/)
    assert.match((await at.quick('podwire', ['down', file])).stderr, /ERR_PODWIRE_QUICK_NOT_UP/)
    assert.deepEqual(await at.settled(before), before)
  })
})

test('quick reload: killed after any command, the next one ends where `up` of the new file would', async () => {
  await withQuickHosts('kill-reload', async (...hosts) => {
    const accepting = (closed: string) => {
      const network = ['10.9.0.0/16']
      const rules = { network, prefixes: [], shares: [], entries: [], closesSelf: true, closed: [closed] }
      return [`PreUp = ${acceptHook(rules)}`, `PostDown = ${acceptHook(undefined)}`]
    }
    const changed = conf(
      [
        ...['Address = 10.7.0.5/24, fd08::1/64', 'DNS = 10.7.0.54', 'MTU = 1380', 'FwMark = 77'],
        ...accepting('10.9.2.0/24'),
      ],
      ['AllowedIPs = 10.9.0.0/16, 0.0.0.0/0', 'Endpoint = 192.0.2.77:51820'],
      ['AllowedIPs = 10.10.0.0/16, fd10::/64'],
    )
    const now = async (at: QuickHost) => {
      const { processes: _, ...state } = await at.state()
      // In that order; the numbers are the kernel's choice.
      const rules = state.rules?.replace(/^\d+:/gm, '')
      return { ...state, rules, device: (await at.sh('wg show wg0 dump')).split('\n').sort() }
    }
    const wanted = new Map<QuickHost, object>()
    await atEachCommand(hosts, 15, async (at, call) => {
      const before = await at.state()
      const file = at.write('wg0.conf', changed)
      if (!wanted.has(at)) {
        succeeded(await at.quick('podwire', ['up', file]), 'up')
        wanted.set(at, await now(at))
        succeeded(await at.quick('podwire', ['down', file]), 'down')
        await at.settled(before)
      }
      at.write('wg0.conf', full('MTU = 1400', ...accepting('10.9.1.0/24')))
      succeeded(await at.quick('podwire', ['up', file]), 'up')
      at.write('wg0.conf', changed)
      const reached = await killedAfter(at, call, ['reload', file])
      if (reached) succeeded(await at.quick('podwire', ['reload', file]), `reload after ${call}`)
      assert.deepEqual(await now(at), wanted.get(at), `after ${call}`)
      succeeded(await at.quick('podwire', ['down', file]), 'down')
      assert.deepEqual(await at.settled(before), before)
      return reached
    })
  })
})

test('quick: a hook that fails, or kills it, at each place', async () => {
  await withQuickHosts('hooks', async at => {
    const before = await at.state()
    const file = join(at.folder, 'wg0.conf')
    for (const hook of ['PreUp', 'PostUp']) {
      at.write('wg0.conf', full(`${hook} = true`, `${hook} = exit 3`, 'PostDown = touch ran'))
      const { status, stderr } = await at.quick('podwire', ['up', file])
      assert.ok(status === 1 && stderr.includes('`exit 3` of the configuration ended with status 3'), stderr)
      assert.deepEqual(await at.settled(before), before, hook)
    }
    at.write('wg0.conf', full('PostUp = kill -TERM $PPID', 'PostUp = true'))
    const { status, stderr } = await at.quick('podwire', ['up', file])
    assert.ok(status === 1 && stderr.includes('interrupted by SIGTERM'), stderr)
    assert.deepEqual(await at.settled(before), before, 'SIGTERM')
    at.write('wg0.conf', full('PreDown = test -e allowed', 'PostDown = test -e allowed'))
    succeeded(await at.quick('podwire', ['up', file]), 'up')
    const { processes: _, ...up } = await at.state()
    assert.equal((await at.quick('podwire', ['down', file])).status, 1)
    const { processes: __, ...still } = await at.state()
    assert.deepEqual(still, up, 'a PreDown that fails changes nothing')
    await at.sh('touch allowed')
    succeeded(await at.quick('podwire', ['down', file]), 'down')
    assert.deepEqual(await at.settled(before), before)

    // With SaveConfig, and killed before it saves.
    const text = full('SaveConfig = true', 'PreDown = test -e killed || { touch killed; kill -9 $PPID; }')
    at.write('wg0.conf', text)
    succeeded(await at.quick('podwire', ['up', file]), 'up')
    await at.sh(`wg set wg0 peer ${peers[1]} allowed-ips 10.44.0.0/16`)
    assert.notEqual((await at.quick('podwire', ['down', file])).status, 0)
    assert.equal(readFileSync(file, 'utf8'), text)
    succeeded(await at.quick('podwire', ['down', file]), 'down')
    assert.match(readFileSync(file, 'utf8'), /10\.44\.0\.0\/16/)
    assert.deepEqual(await at.settled(before), before)
  })
})

test('quick reload: under traffic nothing is lost and nobody shakes hands', async () => {
  await withQuickHosts('traffic', assertReloadKeepsSessions)
})

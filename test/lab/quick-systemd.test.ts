// The unit of deploy/systemd, as a real systemd runs it: whatever happens to a start, a stop or a reload, nothing of the
// interface is left that the unit made, and nothing is touched that it did not make.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { generatePrivateKey } from '../../src/wireguard/keys.ts'
import { type QuickHost, withQuickHosts } from './quick-host.ts'
import { systemdOptions, withSystemd } from './systemd.ts'
import { cli } from './tunnel.ts'
import { until } from './until.ts'

const unitFile = fileURLToPath(new URL('../../../deploy/systemd/podwire-quick@.service', import.meta.url))
const theirUnitFile = '/lib/systemd/system/wg-quick@.service'
const key = Buffer.from(generatePrivateKey().bytes).toString('base64')
const peer = Buffer.from(generatePrivateKey().bytes).toString('base64') // any 32 bytes are a public key
// The units take the WireGuard of the kernel where there is one, and what is looked for here is a userspace device.
const kernelHasWireGuard =
  existsSync('/sys/module/wireguard') || spawnSync('modinfo', ['wireguard'], { stdio: 'ignore' }).status === 0
const options = { ...(kernelHasWireGuard && { skip: 'the units use the WireGuard of this kernel' }), ...systemdOptions }

const conf = (...own: string[]) =>
  [
    ...[
      '[Interface]',
      `PrivateKey = ${key}`,
      'Address = 10.7.0.1/24',
      'DNS = 10.7.0.53',
      'PostDown = echo down >> log',
    ],
    ...own,
    ...['[Peer]', `PublicKey = ${peer}`, 'AllowedIPs = 0.0.0.0/0', ''],
  ].join('\n')

interface Case {
  readonly text: string
  /** Each is a line for the host's shell, but "systemctl …" for systemd, and "until …" a test to wait for. */
  readonly script: readonly string[]
  /** What is there at the end: nothing that was not there before, or what the first line made. */
  readonly leaves: 'nothing' | 'the interface'
  /** What the hooks wrote. */
  readonly log?: string
}

const start = 'systemctl start podwire-quick@wg0'
const stop = 'systemctl stop podwire-quick@wg0'
const hang = 'touch hangs; exec sleep infinity'

const cases: Record<string, Case> = {
  'started and stopped': {
    text: conf('PreDown = echo pre >> log'),
    script: [start, 'until ip link show wg0', stop],
    leaves: 'nothing',
    log: 'pre\ndown\n',
  },
  'refused: it is up by other hands': {
    text: conf(),
    script: ['podwire quick up wg0', start, stop],
    leaves: 'the interface',
  },
  'the start fails': { text: conf('PostUp = false'), script: [start], leaves: 'nothing' },
  'the start is killed': { text: conf('PostUp = kill -9 $PPID'), script: [start], leaves: 'nothing', log: 'down\n' },
  'the start is stopped': {
    text: conf(`PostUp = ${hang}`),
    script: [`${start} --no-block`, 'until test -e hangs', stop],
    leaves: 'nothing',
  },
  'the start takes too long, and does not end at SIGTERM': {
    text: conf(`PostUp = trap '' TERM; touch hangs; sleep infinity`),
    script: ['systemctl start podwire-quick@wg0 --no-block', 'until test -e hangs', stop],
    leaves: 'nothing',
    log: 'down\n',
  },
  'stopped in the middle of a reload': {
    text: conf('PreDown = echo pre >> log'),
    script: [
      start,
      "sed -i 's/^Address.*/&, 10.8.0.1/' /etc/wireguard/wg0.conf; touch hang",
      'systemctl reload --no-block podwire-quick@wg0',
      'until test -e hangs',
      `${stop} --no-block`,
      'until systemctl show -P SubState podwire-quick@wg0 | grep stop-sigterm',
      'rm hang',
    ],
    leaves: 'nothing',
    log: 'pre\ndown\n',
  },
  'the stop fails': {
    text: conf('PreDown = false'),
    script: [start, stop],
    leaves: 'nothing', // the userspace device ends with the unit
    log: 'down\n',
  },
  'the stop is killed': {
    text: conf('PreDown = test -e killed || { touch killed; kill -9 $PPID; }'),
    script: [start, stop],
    leaves: 'nothing',
    log: 'down\n',
  },
}

/** Programs in front of the host's, and the unit with them. */
async function prepare(at: QuickHost): Promise<Record<string, string>> {
  const ip = (await at.sh('command -v ip')).trim()
  at.write('podwire', `#!/bin/sh\ncd ${at.folder}\nexec ${process.execPath} ${cli} "$@"\n`, 0o755)
  at.write(
    'ip',
    `#!/bin/sh
case "$*" in
  *"address add"*) if [ -e hang ]; then touch hangs; while [ -e hang ]; do sleep 0.02; done; fi ;;
esac
exec ${ip} "$@"
`,
    0o755,
  )
  await at.sh('mount -t tmpfs -o mode=700 none /etc/wireguard')
  const environment = `PATH=${at.folder}:${process.env.PATH} WG_QUICK_USERSPACE_IMPLEMENTATION=podwire-device`
  const service = `[Service]\nEnvironment=${environment}\nTimeoutStopSec=5\nStandardOutput=append:${at.folder}/output\n`
  return {
    'podwire-quick@.service': readFileSync(unitFile, 'utf8'),
    'podwire-quick@.service.d/test.conf': service,
    ...(existsSync(theirUnitFile) && { 'wg-quick@.service': readFileSync(theirUnitFile, 'utf8') }),
    'wg-quick@.service.d/test.conf': service,
  }
}

/** Without the processes, and the socket of a userspace device that systemd killed: the next one takes its place. */
function lasting({ processes: _, sockets: __, ...state }: Record<string, string>): Record<string, string> {
  return state
}

const path = 'PATH=$PWD:$PATH'

test('systemd: the unit removes what it made, and only that', options, async t => {
  await withQuickHosts('unit', async at => {
    await withSystemd(at, await prepare(at), async systemctl => {
      const before = await at.state()
      for (const [name, { text, script, leaves, log = '' }] of Object.entries(cases)) {
        await t.test(name, async () => {
          at.write('wg0.conf', text)
          await at.sh('rm -f log hang hangs killed output; cp wg0.conf /etc/wireguard/')
          const run = (line: string) =>
            line.startsWith('systemctl ') ? systemctl(line.slice(10)) : at.sh(`${path}; ${line} 2>&1`)
          let made = before
          for (const [i, line] of script.entries()) {
            if (line.startsWith('until '))
              await until(line, async () => (await run(`${line.slice(6)} && echo ok`)) !== '', 60)
            else await run(line)
            if (i === 0 && leaves === 'the interface') made = await at.state()
          }
          const ended = async () => /^(inactive|failed)$/m.test(await systemctl('is-active podwire-quick@wg0'))
          await until('the unit has ended', ended, 60)
          const output = await at.sh('cat output')
          const state = await at.state()
          assert.deepEqual(lasting(state), lasting(made), output)
          assert.equal(await at.sh('cat log 2>/dev/null'), log, output)
          assert.doesNotMatch(output, /NO_DEVICE/, 'a stop that has nothing to do says so')
          await at.sh(`${path}; podwire quick down wg0; rm -f /run/wireguard/wg0.sock`)
          await at.settled(before)
          await systemctl('reset-failed')
        })
      }
      if (existsSync(theirUnitFile)) {
        await t.test('takes over from wg-quick@, in one transaction', async () => {
          at.write('wg0.conf', conf())
          await at.sh('rm -f log output; cp wg0.conf /etc/wireguard/')
          await systemctl('start wg-quick@wg0')
          const { processes: _, ...theirs } = await at.state()
          assert.match(theirs.links ?? '', /wg0/, await at.sh('cat output'))
          await systemctl('start podwire-quick@wg0')
          const { processes: __, ...ours } = await at.state()
          assert.deepEqual(ours, theirs, await at.sh('cat output'))
          assert.equal((await systemctl('is-active wg-quick@wg0 podwire-quick@wg0')).trim(), 'inactive\nactive')
          await systemctl('stop podwire-quick@wg0')
          assert.deepEqual(lasting(await at.settled(before)), lasting(before))
        })
      }
    })
  })
})

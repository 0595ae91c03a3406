// `podwire doctor` on hosts of a lab: one that is well, one with a device, and one where much is wrong.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import { exec } from '../../src/base/exec.ts'
import type { Lab } from '../../src/lab/lab.ts'
import type { Examination } from '../../src/plan/examine-host.ts'
import { cli, endpointOf, makeEnds, startTunnel, withTwoHosts } from './tunnel.ts'
import { until } from './until.ts'

const doctor = [process.execPath, cli, 'doctor'] as const

/** The findings that are not ok, as "name: state", what all say, by name, and the exit status. */
async function examine(lab: Lab, host: string, ...before: string[]) {
  const command = ['sh', '-c', '"$@"; echo " $?"', 'sh', ...before, ...doctor, '--json'] as const
  const { stdout } = await lab.exec(host, command)
  const [, json = '', status = ''] = /^(.*) (\d+)\n$/s.exec(stdout) ?? []
  const { findings }: Examination = JSON.parse(json)
  return {
    found: findings.flatMap(({ name, state }) => (state === 'ok' ? [] : [`${name}: ${state}`])),
    says: Object.fromEntries(findings.map(({ name, says }) => [name, says])),
    status,
  }
}

/** What differs between machines that run the tests. */
const ofMachine = (found: string[]) => found.filter(text => !/^(kernel|clock|tools): note/.test(text))

test('doctor: a host that is well, one with a device on the port, and nothing is changed', async () => {
  await withTwoHosts('doctor', async lab => {
    await startTunnel(lab, makeEnds(), [{}, {}])
    const state = () => lab.exec('a', ['sh', '-c', 'ip -d link; ip route show table all; nft list ruleset; ss -uln'])
    await lab.exec('a', ['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
    const before = await state()
    const { found, status } = await examine(lab, 'a')
    assert.deepEqual([ofMachine(found), status], [[], '0'])
    assert.deepEqual(await state(), before)
    const text = (await lab.exec('a', doctor)).stdout
    assert.match(text, /^ok +port +UDP port 51821 is wg0’s$/m)
  })
})

test('doctor: without rights, on a narrow link, behind a closed firewall, with the port in use', async () => {
  await withTwoHosts('doctor-ill', async lab => {
    await lab.exec('a', ['ip', 'link', 'set', 'net', 'mtu', '1300'])
    await lab.exec('a', ['ip', 'route', 'add', 'default', 'via', '192.0.2.2'])
    await lab.exec('a', [
      'nft',
      'add table inet filter; add chain inet filter input { type filter hook input priority 0; policy drop; }',
    ])
    const { found, status } = await examine(lab, 'a')
    assert.deepEqual([ofMachine(found), status], [['forwarding: note', 'mtu: problem', 'firewall: note'], '3'])

    const holder = lab.spawn(
      'a',
      [process.execPath, '-e', `require('dgram').createSocket('udp4').bind(51820, () => console.log())`],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    await once(holder.stdout as Readable, 'data', { signal: AbortSignal.timeout(60_000) })
    const worse = await examine(lab, 'a', 'setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin')
    assert.deepEqual(ofMachine(worse.found), [
      'capabilities: problem',
      'nftables: problem',
      'forwarding: note',
      'forward: note',
      'mtu: problem',
      'port: problem',
      'firewall: note',
    ])
    assert.equal(worse.status, '3')
    assert.match(worse.says.port ?? '', new RegExp(`used by \\S+ \\(process ${holder.pid}\\)$`))
    holder.kill()
  })
})

/** In a chain of what comes in that drops by default. */
const input = 'type filter hook input priority 0; policy drop;'
const firewalls: [title: string, rules: string, closed: string | undefined][] = [
  ['no rules', '', undefined],
  [
    'a rule that drops the port',
    'chain in { type filter hook input priority 0; udp dport 51821 drop; }',
    'IPv4 and IPv6',
  ],
  ['a policy that drops', `chain in { ${input} ct state established accept; }`, 'IPv4 and IPv6'],
  ['a policy that drops, and the port let in', `chain in { ${input} udp dport 51821 accept; }`, undefined],
  [
    'the port in a set of a chain behind',
    `set open { type inet_service; elements = { 22, 51821 }; } chain in { ${input} jump more; } chain more { udp dport @open accept; }`,
    undefined,
  ],
  ['only IPv4 let in', `chain in { ${input} ip protocol udp accept; }`, 'IPv6'],
  ['only what the link brings', `chain in { ${input} iif "net" accept; }`, undefined],
  ['only what another link brings', `chain in { ${input} iifname "lan" udp dport 51821 accept; }`, 'IPv4 and IPv6'],
  ['a limit of the rate', `chain in { ${input} udp dport 51821 limit rate 5/second accept; }`, undefined],
  [
    'dropped before it is routed',
    'chain early { type filter hook prerouting priority -300; meta l4proto udp drop; }',
    'IPv4 and IPv6',
  ],
]

test('doctor: what the firewall does with the port is tried, and peers are silent where it drops', async () => {
  await withTwoHosts('doctor-firewall', async lab => {
    const ends = makeEnds()
    await startTunnel(lab, ends, [{}, { peerLines: [`Endpoint = ${endpointOf(ends[0])}`] }])
    const links = () => lab.exec('a', ['ip', '-json', 'link']).then(({ stdout }) => stdout)
    const before = await links()
    const ping = () => lab.exec('b', ['ping', '-c', '1', '-W', '1', '10.7.0.1']).then(Boolean, () => false)
    for (const [title, rules, closed] of firewalls) {
      const script = `table inet trial {}; delete table inet trial; table inet trial { ${rules} }`.replaceAll(
        /([{};])/g,
        '$1\n',
      )
      await lab.exec('a', ['nft', '-f', '-'], { input: script })
      const { found, says } = await examine(lab, 'a')
      const reach = found.filter(text => /^(port|firewall|address|peers):/.test(text))
      assert.deepEqual(reach, closed === undefined ? [] : ['firewall: note'], title)
      assert.match(
        says.firewall ?? '',
        closed === undefined ? /rules let UDP port 51821 in$/ : new RegExp(`over ${closed}: tried`),
        title,
      )
    }
    assert.equal(await links(), before)

    // The last of these rules drops: what b sends is not answered.
    assert.equal(await ping(), false)
    const silence = /^0 of 1 .*never an answer from \S+ at 192\.0\.2\.1:51821 \(wg0\)$/
    await until('b says that nobody answers', async () => silence.test((await examine(lab, 'b')).says.peers ?? ''), 30)
    await lab.exec('a', ['nft', 'delete table inet trial'])
    await until('the next handshake, 5 s after the last, is answered', ping, 30)
    assert.match((await examine(lab, 'b')).says.peers ?? '', /^1 of 1 with an endpoint made a handshake/)
  })
})

test('doctor: a host behind a NAT, and a namespace that may make no other', async () => {
  await withTwoHosts('doctor-nat', async lab => {
    await lab.exec('a', ['ip', 'address', 'flush', 'dev', 'net', 'scope', 'global'])
    await lab.exec('a', ['ip', 'address', 'add', '10.1.2.3/24', 'dev', 'net'])
    await lab.exec('a', ['ip', 'route', 'add', 'default', 'via', '10.1.2.1'])
    await lab.exec('a', [
      'nft',
      'add table inet filter; add chain inet filter in { type filter hook input priority 0; }',
    ])
    const text = (await lab.exec('a', doctor)).stdout
    assert.match(
      text,
      /^note +address +10\.1\.2\.3 on net: private, so a NAT .*\n +Forward UDP port 51820 .*to 10\.1\.2\.3/m,
    )
    await lab.exec('a', ['mkdir', '-m', '000', '/run/wireguard'])
    const without = '-sys_admin,-dac_override,-dac_read_search'
    const bounded = await examine(lab, 'a', 'setpriv', `--bounding-set=${without}`, `--inh-caps=${without}`)
    assert.equal(bounded.says.peers, 'no device here has a peer with an endpoint')
    assert.match(bounded.says.firewall ?? '', /could not be tried: .*Operation not permitted/)
  })
})

test('doctor: a network namespace that never had a route', async () => {
  const { stdout } = await exec(['unshare', '--net', ...doctor])
  assert.match(stdout, /^note +address +this host has no address/m)
})

test('doctor: killed while it tries the firewall, it leaves no namespace behind', async () => {
  await withTwoHosts('doctor-killed', async lab => {
    await lab.exec('a', [
      'nft',
      'add table inet filter; add chain inet filter in { type filter hook input priority 0; }',
    ])
    const folder = mkdtempSync(join(tmpdir(), 'podwire-doctor-test-'))
    try {
      // What sends the datagram hangs.
      writeFileSync(join(folder, 'bash'), '#!/bin/sh\nexec sleep 5\n', { mode: 0o755 })
      const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` }
      const child = lab.spawn('a', doctor, { stdio: 'ignore', env })
      const holders = () => childrenOf(child.pid).filter(pid => nameOf(pid) === 'cat')
      await until('both namespaces are held, and the datagram is being sent', () => {
        return holders().length === 2 && childrenOf(child.pid).some(pid => nameOf(pid) === 'sleep')
      })
      const held = holders()
      child.kill('SIGKILL')
      await until('who held them is gone', () => held.every(pid => nameOf(pid) !== 'cat'))
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

/** The parent and name of a process, by /proc; undefined if it has ended, waited for or not. */
function statOf(pid: number): { parent: number; name: string } | undefined {
  try {
    const [, name, state, parent] = /^\d+ \((.*)\) (\S) (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    return name === undefined || state === 'Z' ? undefined : { parent: Number(parent), name }
  } catch {
    return undefined
  }
}

const nameOf = (pid: number) => statOf(pid)?.name

function childrenOf(parent: number | undefined): number[] {
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  return pids.map(Number).filter(pid => statOf(pid)?.parent === parent)
}

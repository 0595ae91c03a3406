// `podwire doctor` on hosts of a lab: one that is well, one with a device, and one where much is wrong.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Lab } from '../../src/lab/lab.ts'
import type { Examination } from '../../src/plan/examine-host.ts'
import { cli, makeEnds, startTunnel, withTwoHosts } from './tunnel.ts'

const doctor = [process.execPath, cli, 'doctor'] as const

/** The findings that are not ok, as "name: state", and the exit status. */
async function examine(lab: Lab, host: string, ...before: string[]): Promise<{ found: string[]; status: string }> {
  const command = ['sh', '-c', '"$@"; echo " $?"', 'sh', ...before, ...doctor, '--json'] as const
  const { stdout } = await lab.exec(host, command)
  const [, json = '', status = ''] = /^(.*) (\d+)\n$/s.exec(stdout) ?? []
  const { findings }: Examination = JSON.parse(json)
  return { found: findings.flatMap(({ name, state }) => (state === 'ok' ? [] : [`${name}: ${state}`])), status }
}

/** What differs between machines that run the tests. */
const ofMachine = (found: string[]) => found.filter(text => !/^(kernel|clock): note/.test(text))

test('doctor: a host that is well, one with a device on the port, and nothing is changed', async () => {
  await withTwoHosts('doctor', async lab => {
    await startTunnel(lab, makeEnds(), [{}, {}])
    const state = () => lab.exec('a', ['sh', '-c', 'ip -d link; ip route show table all; nft list ruleset; ss -uln'])
    await lab.exec('a', ['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
    const before = await state()
    const { found, status } = await examine(lab, 'a')
    assert.deepEqual([ofMachine(found), status], [[], '0'])
    assert.deepEqual(await state(), before)
    const text = (await lab.exec('a', [...doctor, '--listen-port', '51821'])).stdout
    assert.match(text, /^ok +port +UDP port 51821 is a WireGuard device’s$/m)
    assert.match(text, /Devices here are .*\.\n$/)
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
    assert.deepEqual([ofMachine(found), status], [['forwarding: note', 'mtu: problem', 'port: note'], '3'])

    const holder = lab.spawn(
      'a',
      [process.execPath, '-e', `require('dgram').createSocket('udp4').bind(51820, () => console.log())`],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    await new Promise(resolve => holder.stdout?.once('data', resolve))
    const worse = await examine(lab, 'a', 'setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin')
    assert.deepEqual(ofMachine(worse.found), [
      'capabilities: problem',
      'nftables: problem',
      'forwarding: note',
      'mtu: problem',
      'port: problem',
    ])
    assert.equal(worse.status, '3')
    holder.kill()
  })
})

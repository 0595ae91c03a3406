import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { doctorText } from '../../../src/cli/doctor.ts'
import type { HostFacts } from '../../../src/model/host-facts.ts'
import { examineHost, type Finding } from '../../../src/plan/examine-host.ts'

const whole: HostFacts = {
  kernelRelease: '6.12.0',
  kernelWireguard: 'there',
  tun: { ok: true },
  missingCapabilities: [],
  nftables: { ok: true },
  missingTools: [],
  forwarding: { ipv4: true, ipv6: true },
  clock: { nowMs: 2_000_000_000_000, notBeforeMs: 1_900_000_000_000, synchronised: true },
  underlayMtuBytes: 1500,
  port: { number: 51820, held: 'free', closed: false },
}

const schema = new URL('../../../../schema/doctor.json', import.meta.url)
const isValid = new Ajv2020({ strict: true }).compile(JSON.parse(readFileSync(schema, 'utf8')))

test('doctor: a machine that has all is well', () => {
  const { backend, findings } = examineHost(whole)
  assert.equal(backend, 'kernel')
  assert.deepEqual(
    findings.filter(({ state, hint }) => state !== 'ok' || hint !== undefined),
    [],
  )
})

const noTun: HostFacts['tun'] = { ok: false, reason: 'ENOENT' }
const cases: [
  title: string,
  facts: Partial<HostFacts>,
  name: string,
  state: Finding['state'],
  says: RegExp,
  hint: RegExp,
][] = [
  ['no root', { missingCapabilities: ['CAP_NET_ADMIN'] }, 'capabilities', 'problem', /CAP_NET_ADMIN/, /as root/],
  [
    'no WireGuard in the kernel',
    { kernelWireguard: 'none' },
    'kernel',
    'note',
    /6\.12\.0 has no WireGuard/,
    /CONFIG_WIREGUARD/,
  ],
  ['no TUN, but WireGuard in the kernel', { tun: noTun }, 'tun', 'note', /ENOENT/, /modprobe tun/],
  ['neither', { tun: noTun, kernelWireguard: 'none' }, 'tun', 'problem', /ENOENT/, /modprobe tun/],
  [
    'no nft',
    { missingTools: [{ tool: 'nft', package: 'nftables' }] },
    'tools',
    'problem',
    /nft/,
    /^apt-get install nftables$/,
  ],
  ['nf_tables refused', { nftables: { ok: false, reason: 'refused' } }, 'nftables', 'problem', /refused/, /nf_tables/],
  [
    'no forwarding of IPv4',
    { forwarding: { ipv4: false, ipv6: true } },
    'forwarding',
    'note',
    /ip_forward;/,
    /sysctl -w net\.ipv4\.ip_forward=1$/,
  ],
  [
    'no forwarding of IPv6',
    { forwarding: { ipv6: false } },
    'forwarding',
    'note',
    /ipv6/,
    /net\.ipv6\.conf\.all\.forwarding=1$/,
  ],
  ['a clock of 1970', { clock: { nowMs: 5, notBeforeMs: 10 } }, 'clock', 'problem', /1970-01-01/, /refuse a handshake/],
  [
    'a clock that nobody keeps',
    { clock: { ...whole.clock, synchronised: false } },
    'clock',
    'note',
    /2033/,
    /time service/,
  ],
  ['a narrow way out', { underlayMtuBytes: 1300 }, 'mtu', 'problem', /1300 .* 1220/, /1360 or more/],
  [
    'a port in use',
    { port: { number: 53, held: 'other', closed: false } },
    'port',
    'problem',
    /53 is used/,
    /--listen-port/,
  ],
  [
    'a closed firewall',
    { port: { number: 7, held: 'device', closed: true } },
    'port',
    'note',
    /device’s; the firewall/,
    /udp dport 7 accept/,
  ],
]
for (const [title, facts, name, state, says, hint] of cases) {
  test(`doctor: ${title} is a ${state} that says what to do`, () => {
    const examination = examineHost({ ...whole, ...facts })
    const found = examination.findings.filter(finding => finding.name === name)
    assert.deepEqual(
      found.map(finding => finding.state),
      [state],
    )
    assert.match(found[0]?.says ?? '', says)
    assert.match(found[0]?.hint ?? '', hint)
    assert.ok(isValid(JSON.parse(JSON.stringify(examination))), JSON.stringify(isValid.errors))
    assert.match(doctorText(examination), new RegExp(`^${state === 'problem' ? 'PROBLEM' : 'note   '}  ${name} `, 'm'))
  })
}

test('doctor: which device is taken, and that none can be', () => {
  const backendOf = (facts: Partial<HostFacts>) => examineHost({ ...whole, ...facts }).backend
  assert.equal(backendOf({ kernelWireguard: 'module', tun: noTun }), 'kernel')
  assert.equal(backendOf({ kernelWireguard: 'none' }), 'userspace')
  assert.equal(backendOf({ kernelWireguard: 'none', tun: noTun }), undefined)
  assert.match(
    doctorText(examineHost({ ...whole, kernelWireguard: 'none', tun: noTun })),
    /No device can be made here\.$/,
  )
})

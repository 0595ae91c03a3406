import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { doctorText } from '../../../src/cli/doctor.ts'
import type { FoundDevice, FoundPeer, HostFacts } from '../../../src/model/host-facts.ts'
import { examineHost } from '../../../src/plan/examine-host.ts'
import type { Finding } from '../../../src/plan/finding.ts'
import { generatePrivateKey, publicKeyOf } from '../../../src/wireguard/keys.ts'

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
  hasModuleList: true,
  waysOut: [{ family: 4, link: 'eth0', address: '203.0.113.5' }],
  port: { number: 51820, isTaken: false },
  firewall: { closed: [] },
  forwardChains: [],
  devices: [],
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

const none: Partial<HostFacts> = { kernelWireguard: 'none' }
const lan = { family: 4, link: 'wlan0', address: '192.168.1.5' } as const
const silent: FoundPeer = {
  publicKey: publicKeyOf(generatePrivateKey()),
  endpoint: '198.51.100.7:1',
  wasSent: true,
}
const answering: FoundPeer = { ...silent, lastHandshakeMs: whole.clock.nowMs - 179_000 }
const device = (...peers: FoundPeer[]): FoundDevice => ({ name: 'wg0', listenPort: 51820, peers })
const resolvconf = { tool: 'resolvconf', package: 'openresolv', onlyFor: '`DNS` of `podwire quick`' }
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
    'Docker drops what is forwarded',
    { forwardChains: [{ name: 'ip filter FORWARD', by: 'Docker', isOpen: false }] },
    'forward',
    'note',
    /unless a rule accepts it: ip filter FORWARD \(Docker\)/,
    /--accept-forward/,
  ],
  ['no WireGuard in the kernel', none, 'kernel', 'note', /6\.12\.0 has no WireGuard/, /linux-image-/],
  ['a kernel too old', { ...none, kernelRelease: '4.19.0-2' }, 'kernel', 'note', /4\.19/, /wireguard-dkms/],
  ['a container', { ...none, hasModuleList: false }, 'kernel', 'note', /no WireGuard/, /modprobe wireguard/],
  ['the kernel’s device only', { tun: noTun }, 'backend', 'note', /userspace` fails/, /tun/],
  ['no device at all', { ...none, tun: noTun }, 'backend', 'problem', /no device can be made/, /one of the two/],
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
  [
    'no resolvconf',
    { missingTools: [resolvconf] },
    'tools',
    'note',
    /^not found: resolvconf \(only for `DNS`/,
    /^apt-get install openresolv$/,
  ],
  [
    'no bash, and no resolvconf',
    { missingTools: [{ tool: 'bash', package: 'bash' }, resolvconf] },
    'tools',
    'problem',
    /^not found: bash, resolvconf/,
    /^apt-get install bash openresolv$/,
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
    { port: { number: 53, isTaken: true, program: 'named (process 7)' } },
    'port',
    'problem',
    /53 is used by named \(process 7\)$/,
    /--listen-port/,
  ],
  [
    'a port in use by nobody knows whom',
    { port: { number: 53, isTaken: true } },
    'port',
    'problem',
    /another/,
    /-port/,
  ],
  ['a closed firewall', { firewall: { closed: [4, 6] } }, 'firewall', 'note', /IPv4 and IPv6/, /dport 51820 accept/],
  [
    'a firewall not tried',
    { firewall: { untried: 'no rights' } },
    'firewall',
    'note',
    /not be tried: no rights/,
    /nft/,
  ],
  ['a NAT', { waysOut: [lan] }, 'address', 'note', /192\.168\.1\.5 on wlan0: private/, /router to 192\.168\.1\.5/],
  ['no address', { waysOut: [] }, 'address', 'note', /no address/, /default route/],
  [
    'a silent peer',
    { devices: [device(silent, answering)] },
    'peers',
    'note',
    /^1 of 2 .*never an answer from \S{44} at 198\.51\.100\.7:1 \(wg0\)$/,
    /podwire doctor/,
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
})

const well: [title: string, facts: Partial<HostFacts>, name: string, says: RegExp][] = [
  ['the kernel’s device says how to get the other', {}, 'backend', /^the kernel’s .*--backend userspace/],
  ['a userspace device says why', none, 'backend', /^podwire’s own .*the kernel has none/],
  [
    'the port is a device’s',
    { port: { number: 51820, isTaken: true }, devices: [device()] },
    'port',
    /51820 is wg0’s$/,
  ],
  [
    'a public address beside a private one',
    { waysOut: [...whole.waysOut, lan] },
    'address',
    /203\.0\.113\.5 on eth0, 192/,
  ],
  [
    'a peer that was sent nothing',
    { devices: [device({ ...silent, wasSent: false })] },
    'peers',
    /^0 of 1 with an endpoint/,
  ],
  [
    'a peer that was heard long ago',
    { devices: [device({ ...answering, lastHandshakeMs: whole.clock.nowMs - 180_000 })] },
    'peers',
    /^0 of 1 with an endpoint/,
  ],
]
for (const [title, facts, name, says] of well) {
  test(`doctor: ${title}: all is well`, () => {
    const found = examineHost({ ...whole, ...facts }).findings.filter(finding => finding.name === name)
    assert.deepEqual(
      found.map(({ state, hint }) => [state, hint]),
      [['ok', undefined]],
    )
    assert.match(found[0]?.says ?? '', says)
  })
}

const isPrivate: [address: string, isPrivate: boolean][] = [
  ['10.0.0.1', true],
  ['172.15.255.255', false],
  ['172.31.0.1', true],
  ['172.32.0.1', false],
  ['100.64.0.1', true],
  ['169.254.1.1', true],
  ['fd00::1', true],
  ['2001:db8::1', false],
]
for (const [address, expected] of isPrivate) {
  test(`doctor: ${address} is ${expected ? 'behind a NAT' : 'public'}`, () => {
    const { findings } = examineHost({ ...whole, waysOut: [{ family: 4, link: 'eth0', address }] })
    assert.equal(findings.find(({ name }) => name === 'address')?.state, expected ? 'note' : 'ok')
  })
}

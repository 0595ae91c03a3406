import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Backend, chooseBackend } from '../../../src/agent/backend.ts'
import type { LinkInfo } from '../../../src/native/link.ts'

test('backend: what is asked for, and of "auto" what is there', () => {
  const cases: [asked: Backend | 'auto', kind: string, chosen: Backend][] = [
    ['kernel', 'tun', 'kernel'],
    ['userspace', 'wireguard', 'userspace'],
    ['auto', 'wireguard', 'kernel'],
    ['auto', 'tun', 'userspace'],
  ]
  for (const [asked, kind, chosen] of cases) {
    const links = () =>
      [
        { name: 'other', kind: 'veth' },
        { name: 'podwire0', kind },
      ] as LinkInfo[]
    assert.equal(chooseBackend(asked, 'podwire0', { links }), chosen, `${asked}, ${kind}`)
  }
})

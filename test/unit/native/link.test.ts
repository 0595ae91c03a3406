import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { test } from 'node:test'
import { kernelErrno } from '../../../src/native/addon.ts'
import { openLinks } from '../../../src/native/link.ts'

test('links: reading needs no root, and errors say what was tried', () => {
  const links = openLinks()
  assert.ok(links.links().some(({ name, index, mtuBytes }) => name === 'lo' && index === 1 && mtuBytes > 0))
  const cases: [() => unknown, string, RegExp][] = [
    [
      () => openLinks('/run/netns/podwire-none'),
      'ERR_PODWIRE_SYSTEM',
      /namespace \/run\/netns\/podwire-none: No such file/,
    ],
    [
      () => links.addAddress('podwire-none', '10.0.0.1/32'),
      'ERR_PODWIRE_SYSTEM',
      /the link podwire-none: No such device/,
    ],
    [() => links.addAddress('lo', 'nonsense'), 'ERR_PODWIRE_SYSTEM', /"nonsense" is not an address/],
    [() => links.addAddress('lo', '1.2.3.4/256'), 'ERR_PODWIRE_SYSTEM', /is not an address/],
    [() => links.addAddress('lo', '"\\\n/3'), 'ERR_PODWIRE_SYSTEM', /neither IPv4 nor IPv6/],
    [() => links.routeTo('1.2.3'), 'ERR_PODWIRE_SYSTEM', /"1.2.3" is neither/],
  ]
  for (const [run, code, message] of cases) assert.throws(run, { code, message })
  links.close()
  assert.throws(() => links.links(), { code: 'ERR_PODWIRE_SYSTEM', message: /it was closed/ })
})

test('links: an error has the number by which the kernel refused, if it did', () => {
  const links = openLinks()
  const cases: [() => unknown, number | undefined][] = [
    [() => openLinks('/run/netns/podwire-none'), constants.errno.ENOENT],
    [() => openLinks('/proc/self/ns/mnt'), constants.errno.EINVAL],
    [() => links.routeTo('1.2.3'), undefined],
  ]
  for (const [run, errno] of cases) {
    assert.throws(run, error => {
      assert.equal(kernelErrno(error), errno)
      return true
    })
  }
  assert.equal(kernelErrno(new Error('another')), undefined)
  links.close()
})

// The agent's unit, as a real systemd runs it: `join` installs and starts it, its restarts do not touch traffic, and `leave` ends it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Office } from './office.ts'
import { onHosts } from './quick-host.ts'
import { systemdOptions, withSystemd } from './systemd.ts'

const unit = 'podwire@prod.service'

test('systemd: join starts the agent, however it ends its device carries on, and leave stops it', {
  ...systemdOptions,
  timeout: 180_000,
}, async () => {
  await using office = await Office.start('unit', ['a', 'b'])
  const store = `file:${office.folder}/store`
  await office.podwire('b', ['init', 'prod', '--range', '10.99.0.0/16', '--range', 'fd99::/48', '--store', store])
  const token = (await office.podwire('b', ['token', 'create', '--store', store])).trim()
  await office.podwire('b', ['join', '--backend', 'userspace', token])
  await office.startAgent('b', 'prod')
  await onHosts(office.lab, ['a'], async ({ a }) => {
    await withSystemd(a, {}, async (systemctl, inside) => {
      const podwire = `env PODWIRE_ROOT=${office.path('a', '/')} ${office.command.join(' ')}`
      const said = await inside(`${podwire} join --name a --backend userspace ${token}`)
      assert.match(said, /^The unit podwire@prod is started, and starts with the machine\./m)
      assert.equal((await systemctl(`is-enabled ${unit} podwire-close`)).trim(), 'enabled\nenabled')
      await office.reach('a', 'b')
      const property = async (name: string) => (await systemctl(`show --property ${name} --value ${unit}`)).trim()
      const device = await inside('pgrep -f "device podwire0"')
      assert.match(device, /^\d+\n$/)
      const ping = '-q -i 0.01 -w 300 -c 1000'
      const loaded = office.sh('b', `ping ${ping} 10.99.1.1`)
      for (const end of ['restart', 'kill --kill-whom=main --signal=KILL', 'stop', 'start']) {
        const before = await property('MainPID')
        await systemctl(`${end} ${unit}`)
        const state = end === 'stop' ? 'inactive' : 'active'
        await office.until(
          `${end}: it is ${state}`,
          async () => {
            const now = await property('MainPID')
            return (
              (await property('ActiveState')) === state && (state === 'inactive' || (now !== before && now !== '0'))
            )
          },
          60,
        )
        assert.equal(await inside('pgrep -f "device podwire0"'), device, end)
      }
      assert.match(await loaded, /1000 packets transmitted, 1000 received, 0% packet loss/)
      await office.until(
        'its agent answers',
        async () => (await inside(`${podwire} status`)).includes('in sync since'),
        60,
      )
      assert.match(await inside(`${podwire} join ${token}`), /nothing was changed\.\nThe unit podwire@prod is started/)
      const left = await inside(`${podwire} leave prod`)
      assert.match(left, /^agent: the unit podwire@prod\.service is stopped, and starts no more$/m)
      assert.match(left, /has left the network prod/)
      assert.equal((await systemctl(`is-active ${unit}`)).trim(), 'inactive')
      assert.equal(await inside('find /etc/systemd/system -name "podwire*"'), '')
      assert.deepEqual(await office.traces('a'), office.bare)
    })
  })
})

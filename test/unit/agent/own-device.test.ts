import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findDevice } from '../../../src/agent/own-device.ts'
import { connectUapi } from '../../../src/wireguard/uapi-client.ts'

test('device: none is found where nobody listens; one that listens and gives no whole answer is an error', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-device-'))
  const find = (name: string) => findDevice({ device: connectUapi(join(folder, name)) })
  const server = createServer(socket => socket.end('listen_port=1\n'))
  try {
    assert.equal(await find('absent.sock'), undefined)
    writeFileSync(join(folder, 'dead.sock'), '')
    assert.equal(await find('dead.sock'), undefined)
    server.listen(join(folder, 'broken.sock'))
    await once(server, 'listening')
    await assert.rejects(find('broken.sock'), { code: 'ERR_PODWIRE_SOCKET' })
  } finally {
    server.close()
    rmSync(folder, { recursive: true })
  }
})

// One end of TCP transfers whose content is checked: a program of its own, started by traffic.ts.
//   receive PORT              says "ready"; answers each connection with the SHA-256 of what it brought
//   send PORT BYTES HOST ...  sends so many random bytes to each host at once; fails unless each has received the same

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'

const [role, port, bytes, ...hosts] = process.argv.slice(2)
const patienceMs = 15_000

function receive(): void {
  const server = createServer({ allowHalfOpen: true }, async connection => {
    const hash = createHash('sha256')
    // A sender that gave up says so itself.
    connection.on('error', () => {})
    connection.on('data', data => hash.update(data)).on('end', () => connection.end(hash.digest('hex')))
  })
  server.listen(Number(port), '::', () => console.log('ready'))
}

async function send(host: string): Promise<void> {
  const data = randomBytes(Number(bytes))
  const connection = connect({ host, port: Number(port), allowHalfOpen: true })
  connection.setTimeout(patienceMs, () => connection.destroy(new Error(`${host}: nothing for ${patienceMs} ms`)))
  await once(connection, 'connect')
  connection.end(data)
  assert.equal(await text(connection), createHash('sha256').update(data).digest('hex'), host)
}

if (role === 'receive') receive()
else await Promise.all(hosts.map(send))

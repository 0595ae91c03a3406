// Sends initiations whose mac1 is right and that are nothing else, as fast as it is told: flooder.js ADDRESS PORT KEY RATE.
// Says a line a second.

import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { addMacs, createMacState } from '../../src/wireguard/cookie.ts'

const [address = '', port = '', publicKey = '', rate = ''] = process.argv.slice(2)
const macs = createMacState(Buffer.from(publicKey, 'base64'))
const messages = Array.from({ length: 1000 }, () => {
  const message = new Uint8Array(randomBytes(148)).fill(0, 132)
  message.set([1, 0, 0, 0])
  addMacs(macs, message, 0)
  return message
})
const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
const startMs = performance.now()
let sent = 0
let said = 0
setInterval(() => {
  const seconds = (performance.now() - startMs) / 1000
  for (const due = seconds * Number(rate); sent < due; sent += 1) {
    const message = messages[sent % messages.length]
    if (message !== undefined) socket.send(message, Number(port), address)
  }
  if (seconds > said + 1) {
    said += 1
    console.log(`${sent} sent`)
  }
}, 5)

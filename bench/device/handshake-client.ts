// Sends prepared initiations and counts the answers: handshake-client.js FILE ADDRESS PORT SECONDS. A closed loop: the
// next goes out when one is answered, or given up.

import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'

const initiationBytes = 148
/** Devices take more than 128 waiting for an attack (wireguard-go) and then want cookies; this stays well below. */
const outstandingAtMost = 64
const giveUpMs = 250

const [file = '', address = '', port = '', seconds = ''] = process.argv.slice(2)
const messages = readFileSync(file)
const socket = createSocket('udp4')
/** When each was sent, by index, oldest first. */
const outstanding = new Map<number, number>()
const startMs = performance.now()
let [sent, answered, cookies] = [0, 0, 0]

function fill(): void {
  while (outstanding.size < outstandingAtMost && (sent + 1) * initiationBytes <= messages.length) {
    const message = messages.subarray(sent * initiationBytes, (sent + 1) * initiationBytes)
    outstanding.set(message.readUInt32LE(4), performance.now())
    sent += 1
    socket.send(message, Number(port), address)
  }
  if (outstanding.size === 0) end() // all were sent and answered
}

function end(): void {
  clearInterval(timer)
  socket.close()
  console.log(JSON.stringify({ answered, cookies, seconds: (performance.now() - startMs) / 1000 }))
}

socket.on('message', message => {
  if (message[0] === 3) cookies += 1
  else if (message[0] === 2 && outstanding.delete(message.readUInt32LE(8))) {
    answered += 1
    fill()
  }
})
const timer = setInterval(() => {
  const nowMs = performance.now()
  if (nowMs - startMs > Number(seconds) * 1000) return end()
  for (const [index, sentMs] of outstanding) {
    if (nowMs - sentMs < giveUpMs) break
    outstanding.delete(index)
  }
  fill()
}, 20)
fill()

// One end of a stream: a program of its own, started by stream.ts.
//   send ADDRESS PORT PACKETS_PER_SECOND FILLING   numbered datagrams until standard input ends; then says how many
//   receive ADDRESS PORT                           says "ready", then "first"; when standard input has said how many
//                                                  were sent, waits for the last of them and says what came

import { createSocket } from 'node:dgram'
import { text } from 'node:stream/consumers'

const [role, address = '', port = '', packetsPerSecond = '', filling = ''] = process.argv.slice(2)
const type = address.includes(':') ? 'udp6' : 'udp4'
const packetBytes = 200
/** How long a packet may be on its way. */
const patienceMs = 3_000

async function send(): Promise<void> {
  const socket = createSocket(type)
  await new Promise<void>(resolve => socket.connect(Number(port), address, resolve))
  // A refused packet is one that does not arrive: the receiver's count tells.
  socket.on('error', () => {})
  const startMs = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startMs) * Number(packetsPerSecond)) / 1000)
    for (; sent < due; sent++) {
      const packet = Buffer.alloc(packetBytes, filling || '.')
      packet.writeUInt32BE(sent, 0)
      socket.send(packet, () => {})
    }
  }, 1)
  await text(process.stdin)
  clearInterval(timer)
  socket.close()
  console.log(JSON.stringify({ sent }))
}

async function receive(): Promise<void> {
  const seen = new Set<number>()
  let duplicates = 0
  let lastMs: number | undefined
  let longestPauseMs = 0
  let arrived = () => {}
  const socket = createSocket({ type, recvBufferSize: 4 << 20 })
  socket.on('message', packet => {
    const nowMs = performance.now()
    if (lastMs === undefined) console.log('first')
    else longestPauseMs = Math.max(longestPauseMs, nowMs - lastMs)
    lastMs = nowMs
    const number = packet.readUInt32BE(0)
    if (seen.has(number)) duplicates += 1
    seen.add(number)
    arrived()
  })
  await new Promise<void>(resolve => socket.bind(Number(port), address, resolve))
  console.log('ready')
  const sent = Number(await text(process.stdin))
  await new Promise<void>(resolve => {
    const timer = setTimeout(resolve, patienceMs)
    arrived = () => {
      if (seen.size < sent) return
      clearTimeout(timer)
      resolve()
    }
    arrived()
  })
  socket.close()
  console.log(JSON.stringify({ received: seen.size, duplicates, longestPauseMs: Math.round(longestPauseMs) }))
}

await (role === 'send' ? send() : receive())

// A program for a host of the lab: a DNS server on 127.0.0.1 that answers by the first word of a name.
//   nx: there is no such name     fails: the server fails     mute: no answer
//   late: fails until the file named by the argument is there, and from then on has an address

import { createSocket } from 'node:dgram'
import { existsSync } from 'node:fs'

const [answersWhen = ''] = process.argv.slice(2)
const address = [192, 0, 2, 77]
const [noError, serverFailure, noSuchName] = [0, 2, 3]

/** A name of one address, an IPv4 one (RFC 1035, section 4). */
function reply(query: Buffer): Buffer | undefined {
  const word = query.subarray(13, 13 + (query[12] ?? 0)).toString()
  if (word === 'mute') return undefined
  const codes: Record<string, number> = { nx: noSuchName, late: existsSync(answersWhen) ? noError : serverFailure }
  const code = codes[word] ?? serverFailure
  const question = query.subarray(12, query.indexOf(0, 12) + 5)
  const isIpv4 = question.at(-3) === 1
  const answer = code === noError && isIpv4 ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address] : []
  const header = [...query.subarray(0, 2), 0x81, 0x80 | code, 0, 1, 0, answer.length > 0 ? 1 : 0, 0, 0, 0, 0]
  return Buffer.concat([Buffer.from(header), question, Buffer.from(answer)])
}

const socket = createSocket('udp4')
socket.on('message', (query, from) => {
  const message = reply(query)
  if (message !== undefined) socket.send(message, from.port, from.address)
})
socket.bind(53, '127.0.0.1', () => console.log('ready'))

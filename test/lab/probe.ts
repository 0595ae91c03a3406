// A program for a host of the lab: serves TCP and UDP ports, or says which of many places answer it. All at once, since what is
// dropped is known only by silence.
//   probe.js serve tcp/443 udp/53
//   probe.js try '["tcp/443 10.0.0.1", "udp/53 fd00::1", "icmp 10.0.0.1"]'      prints a JSON list of those that answer

import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** Long enough for a TCP SYN to be sent again. */
const patienceMs = 2500

async function serve(ports: readonly string[]): Promise<void> {
  for (const [protocol, port] of ports.map(text => text.split('/'))) {
    if (protocol === 'tcp') {
      const server = createServer(socket => socket.on('error', () => {}).end('here')).listen(Number(port), '::')
      await once(server, 'listening')
    } else {
      const socket = createSocket({ type: 'udp6' })
      socket.on('message', (_, { port: from, address }) => socket.send('here', from, address))
      socket.bind(Number(port), '::')
      await once(socket, 'listening')
    }
  }
  console.log('ready')
}

function tryTcp(port: number, address: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, address)
    const end = (answered: boolean) => {
      socket.destroy()
      resolve(answered)
    }
    socket.setTimeout(patienceMs, () => end(false))
    socket.on('data', () => end(true)).on('error', () => end(false))
  })
}

function tryUdp(port: number, address: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    const repeat = setInterval(() => socket.send('anyone?', port, address), 250)
    const end = (answered: boolean) => {
      clearInterval(repeat)
      clearTimeout(deadline)
      socket.close()
      resolve(answered)
    }
    const deadline = setTimeout(() => end(false), patienceMs)
    socket.on('message', () => end(true)).on('error', () => {})
    socket.send('anyone?', port, address)
  })
}

function tryIcmp(address: string): Promise<boolean> {
  const args = ['-q', '-i', '0.3', '-w', String(Math.ceil(patienceMs / 1000)), '-c', '1', address]
  return new Promise(resolve => execFile('ping', args, error => resolve(error === null)))
}

async function answers(target: string): Promise<boolean> {
  const [what = '', address = ''] = target.split(' ')
  const [protocol, port] = what.split('/')
  if (protocol === 'icmp') return tryIcmp(address)
  return protocol === 'tcp' ? tryTcp(Number(port), address) : tryUdp(Number(port), address)
}

const [verb, ...words] = process.argv.slice(2)
if (verb === 'serve') await serve(words)
else {
  const targets: string[] = JSON.parse(words[0] ?? '[]')
  const answered = await Promise.all(targets.map(answers))
  console.log(JSON.stringify(targets.filter((_, i) => answered[i])))
}

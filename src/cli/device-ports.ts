// The UDP ports of the WireGuard devices of this host that can be asked.

import { readdirSync } from 'node:fs'
import { connectUapi, socketDirectory } from '../wireguard/uapi-client.ts'

export async function devicePorts(): Promise<number[]> {
  const names = socketNames().map(name => connectUapi(name).get())
  const answers = await Promise.allSettled(names)
  return answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value.listenPort] : []))
}

function socketNames(): string[] {
  try {
    return readdirSync(socketDirectory).flatMap(file => (file.endsWith('.sock') ? [file.slice(0, -5)] : []))
  } catch {
    return [] // no device ever ran
  }
}

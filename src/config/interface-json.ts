// Stand-in until CONFIG's is merged: only what a rendered interface needs.

import type { InterfaceConfig } from './interface-config.ts'

export function formatInterfaceJson({ privateKey, addresses, listenPort, hooks, peers }: InterfaceConfig): string {
  const set = Object.fromEntries(Object.entries(hooks).filter(([, commands]) => commands.length > 0))
  const interfacePart = { privateKey, addresses, listenPort, hooks: set }
  const peerParts = peers.map(({ name, publicKey, endpoint, allowedIps, persistentKeepaliveSeconds: seconds }) => {
    return { name, publicKey, endpoint, allowedIPs: allowedIps, keepalive: seconds && `${seconds}s` }
  })
  return `${JSON.stringify({ interface: interfacePart, peers: peerParts }, null, 2)}\n`
}

// Stand-in until CONFIG's is merged: only what a rendered interface needs.

import type { InterfaceConfig } from './interface-config.ts'

export function formatInterfaceIni({ addresses, hooks, listenPort, peers }: InterfaceConfig): string {
  const section = (name: string, entries: (string | false)[]) => `[${name}]\n${entries.filter(Boolean).join('\n')}\n`
  const own = section('Interface', [
    ...addresses.map(address => `Address = ${address}`),
    ...hooks.preUp.map(command => `PreUp = ${command}`),
    ...hooks.postUp.map(command => `PostUp = ${command}`),
    ...hooks.postDown.map(command => `PostDown = ${command}`),
    listenPort !== undefined && `ListenPort = ${listenPort}`,
  ])
  const rest = peers.map(
    ({ name, publicKey, allowedIps, endpoint, persistentKeepaliveSeconds }) =>
      `# Name = ${name}\n${section('Peer', [
        `PublicKey = ${publicKey}`,
        `AllowedIPs = ${allowedIps.join(', ')}`,
        endpoint !== undefined && `Endpoint = ${endpoint}`,
        persistentKeepaliveSeconds !== undefined && `PersistentKeepalive = ${persistentKeepaliveSeconds}`,
      ])}`,
  )
  return [own, ...rest].join('\n')
}

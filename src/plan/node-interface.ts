// A node's plan as the configuration of its device: what `podwire quick` and Debian's wg-quick bring up alike. Hooks do what a
// WireGuard configuration cannot say, and say it themselves, so that one file is all a host needs:
//
//   PreUp      the accept rules, in one nft transaction: without them the device does not come up
//   PostUp     INI only: the private key from its file, which INI cannot say (wg-quick runs PreUp before there is a device);
//              forwarding
//   PostDown   the accept rules go when the device is gone

import type { Family } from '../base/cidr.ts'
import { podwireError } from '../base/errors.ts'
import type { InterfaceConfig } from '../config/interface-config.ts'
import { type AcceptRules, renderAcceptRules } from '../policy/accept-rules.ts'
import type { NodePlan } from './network.ts'

export interface InterfaceForm {
  readonly form: 'json' | 'ini'
  /** Where the host has the node's private key. */
  readonly privateKeyFile: string
}

/** Error: ERR_PODWIRE_PEER_KEY if a peer's public key is not in the document. */
export function nodeInterface(
  { node, addresses, peers, forwards }: NodePlan,
  accept: AcceptRules | undefined,
  { form, privateKeyFile }: InterfaceForm,
): InterfaceConfig {
  const unknown = peers.filter(peer => peer.node.publicKey === undefined).map(peer => peer.node.name)
  return {
    ...(form === 'json' && { privateKey: { file: privateKeyFile } }),
    ...(node.listenPort !== undefined && { listenPort: node.listenPort }),
    addresses,
    dns: { servers: [], search: [] },
    table: 'auto',
    saveConfig: false,
    hooks: {
      preUp: accept ? [`nft '${renderAcceptRules(accept, '%i', 'one line')}'`] : [],
      postUp: [
        ...(form === 'ini' ? [`wg set %i private-key ${quoted(privateKeyFile)}`] : []),
        ...forwards.map(forward),
      ],
      preDown: [],
      postDown: accept ? [`nft '${renderAcceptRules(undefined, '%i', 'one line')}'`] : [],
    },
    peers: peers.map(({ node: { name, publicKey, endpoint }, allowedIps, keepaliveSeconds }) => {
      if (publicKey === undefined) {
        throw podwireError('ERR_PODWIRE_PEER_KEY', { node: node.name, peers: unknown.join(', ') })
      }
      return {
        name,
        publicKey,
        ...(endpoint !== undefined && { endpoint }),
        allowedIps,
        ...(keepaliveSeconds > 0 && { persistentKeepaliveSeconds: keepaliveSeconds }),
        comments: [],
      }
    }),
    comments: [],
  }
}

/** A host that forwards IPv6 ignores router advertisements, unless told to take them (2): it would lose its own way out. */
function forward(family: Family): string {
  if (family === 4) return 'sysctl -q -w net.ipv4.ip_forward=1'
  const heed = 'for f in /proc/sys/net/ipv6/conf/*/accept_ra; do if grep -qx 1 "$f"; then echo 2 >"$f"; fi; done'
  return `${heed}; sysctl -q -w net.ipv6.conf.all.forwarding=1`
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

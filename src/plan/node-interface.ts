// A node's plan as the configuration of its device: what `podwire quick` and Debian's wg-quick bring up alike. Hooks do what a
// WireGuard configuration cannot say, and say it themselves, so that one file is all a host needs:
//
//   PreUp      the accept rules, in one nft transaction: without them the device does not come up; the range leads nowhere but
//              by the device
//   PostUp     INI only: the private key from its file, which INI cannot say (wg-quick runs PreUp before there is a device);
//              forwarding
//   PostDown   what PreUp has made goes when the device is gone

import { podwireError } from '../base/errors.ts'
import { shellQuote } from '../base/shell-quote.ts'
import type { InterfaceConfig } from '../config/interface-config.ts'
import type { AcceptRules } from '../policy/accept-rules.ts'
import type { NodePlan } from './network.ts'
import { acceptHook, forwardHook, undoHook, unreachableHook } from './node-hooks.ts'

export interface InterfaceForm {
  readonly form: 'json' | 'ini'
  /** Where the host has the node's private key. */
  readonly privateKeyFile: string
}

/** Error: ERR_PODWIRE_PEER_KEY if a peer's public key is not in the document. */
export function nodeInterface(
  { node, addresses, range, peers, forwards }: NodePlan,
  accept: AcceptRules,
  { form, privateKeyFile }: InterfaceForm,
): InterfaceConfig {
  const unknown = peers.filter(peer => peer.node.publicKey === undefined).map(peer => peer.node.name)
  const preUp = [acceptHook(accept), ...range.map(unreachableHook)]
  return {
    ...(form === 'json' && { privateKey: { file: privateKeyFile } }),
    ...(node.listenPort !== undefined && { listenPort: node.listenPort }),
    addresses,
    dns: { servers: [], search: [] },
    table: 'auto',
    saveConfig: false,
    hooks: {
      preUp,
      postUp: [
        ...(form === 'ini' ? [`wg set %i private-key ${shellQuote(privateKeyFile)}`] : []),
        ...forwards.map(forwardHook),
      ],
      preDown: [],
      postDown: preUp.flatMap(command => undoHook(command) ?? []).reverse(),
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

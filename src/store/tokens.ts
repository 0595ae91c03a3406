// Join tokens, in as far as a form of store has them: what is made for a host that is to join, what there is, and taking one back.

import { podwireError } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import { formatJoinToken } from '../model/join-token.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import { readText } from '../system/read-text.ts'
import type { StoreAccess } from './access.ts'
import type { ListedToken, TokenWish } from './server-admin.ts'
import type { Store } from './store.ts'

export interface Tokens {
  /** The token, and what to know of it, in words. */
  create(wish: TokenWish): Promise<{ readonly token: string; readonly note: string }>
  /** Oldest first; those that ended lately, too. */
  list(): Promise<readonly ListedToken[]>
  /** False if there is none of that name. */
  revoke(id: string): Promise<boolean>
}

/** What the tokens of some forms rest on. */
export interface TokenMeans {
  /** By what right the store was opened. */
  readonly access: StoreAccess
  /** Claims a node's prefixes for it. */
  readonly claim: (network: NetworkConfig, node: string) => Promise<readonly string[]>
}

/** The tokens of a store. Error: ERR_PODWIRE_TOKEN_UNSUPPORTED, of this or of one of its calls. */
export async function openTokens(store: Store, means: TokenMeans): Promise<Tokens> {
  const [form = ''] = store.address.split(':')
  const unsupported = (what: string, instead: string) =>
    podwireError('ERR_PODWIRE_TOKEN_UNSUPPORTED', { store: store.address, what, instead })
  switch (form) {
    case 'file':
      return fileTokens(store, unsupported)
    case 'etcd':
      return etcdTokens(store, means, unsupported)
    case 'server': {
      const folder = store.address.replace(/^server:/, '')
      if (!folder.startsWith('/')) {
        throw unsupported('its tokens are made on its own host', 'Run this there, as root')
      }
      const admin = await import('./server-admin.ts')
      return {
        async create(wish) {
          const { id, token, expiresMs } = await admin.createToken(folder, wish)
          const uses = wish.uses === undefined || wish.uses === 1 ? 'one host may' : `${wish.uses} hosts may`
          return { token, note: `${id}: ${uses} join by it until ${new Date(expiresMs).toISOString()}; it is a secret` }
        },
        list: () => admin.listTokens(folder),
        revoke: id => admin.revokeToken(folder, id),
      }
    }
    default:
      throw unsupported(`there are no tokens for the form "${form}"`, 'Say --store and its access on each host')
  }
}

type Unsupported = (what: string, instead: string) => Error

/** A user of etcd for each node, with its role: a new token takes the place of the node's last one. */
function etcdTokens(store: Store, { access, claim }: TokenMeans, unsupported: Unsupported): Tokens {
  const { address } = store
  return {
    async create({ node, uses, lifetimeMs }) {
      if (node === undefined) throw unsupported('a token is the right of one node', 'Say its name with --node')
      if (uses !== undefined || lifetimeMs !== undefined) {
        throw unsupported('a token holds until it is revoked', 'Leave --uses and --lifetime out')
      }
      const { grantNode } = await import('./etcd-users.ts')
      const network = await store.readNetwork()
      const claims = await claim(network, node)
      const secret = await grantNode({ address, access }, { node, claims })
      const ca = access.caFile === undefined ? {} : { ca: await readText(access.caFile) }
      const token = formatJoinToken({ network: network.name, store: address, ...ca, node, secret })
      const held = claims.join(' and ')
      return { token, note: `${node}: it has ${held}, and a user of etcd, whose password this is; it is a secret` }
    },
    list: () => Promise.reject(unsupported('they are its users', 'See them with `etcdctl user list`')),
    async revoke(node) {
      const { revokeNode } = await import('./etcd-users.ts')
      return revokeNode({ address, access }, node)
    },
  }
}

/** Its right is the file system's: there is nothing to keep secret, and nothing that ends. */
function fileTokens(store: Store, unsupported: Unsupported): Tokens {
  const refuse = () =>
    Promise.reject(
      unsupported(
        'whoever may write in its folder is in',
        'Take a node out with `podwire node remove`, and mind the folder',
      ),
    )
  return {
    async create({ node, uses, lifetimeMs }) {
      if (uses !== undefined || lifetimeMs !== undefined) return refuse()
      const { name: network } = await store.readNetwork()
      const secret = new Secret(Buffer.from('none'))
      const token = formatJoinToken({ network, store: store.address, ...(node !== undefined && { node }), secret })
      return { token, note: 'whoever may write in that folder may join' }
    },
    list: refuse,
    revoke: refuse,
  }
}

// Join tokens, in as far as a form of store has them: what is made for a host that is to join, what there is, and taking one back.

import { podwireError } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import { formatJoinToken } from '../model/join-token.ts'
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

/** The tokens of a store. Error: ERR_PODWIRE_TOKEN_UNSUPPORTED, of this or of one of its calls. */
export async function openTokens(store: Store): Promise<Tokens> {
  const [form = ''] = store.address.split(':')
  const unsupported = (what: string, instead: string) =>
    podwireError('ERR_PODWIRE_TOKEN_UNSUPPORTED', { store: store.address, what, instead })
  switch (form) {
    case 'file':
      return fileTokens(store, unsupported)
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

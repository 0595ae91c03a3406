// The right of one node in an etcd: a user and a role of its own, which may read the network and write the node's record
// and its claims, nothing else. Whoever may make users makes it, after claiming the node's prefixes for it: a node that
// may not write under claims/ cannot take the prefix of another.

import { randomBytes } from 'node:crypto'
import { podwireError } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import type { StoreAccess } from './access.ts'
import { type EtcdAddress, parseEtcdAddress } from './etcd/address.ts'
import { EtcdClient } from './etcd/client.ts'
import { GrpcError } from './etcd/grpc-error.ts'
import { Layout, nodeUser } from './etcd/layout.ts'
import {
  decodeNames,
  encodeCredentials,
  encodeNames,
  encodePermission,
  type Permission,
} from './etcd/permission-messages.ts'

interface Users {
  /** "etcd:https://…" */
  readonly address: string
  /** Of one who may make users and roles: etcd's root. */
  readonly access: StoreAccess
}

const passwordBytes = 24

/**
 * Makes a node's user, in place of the one that it had: "USER:PASSWORD", as a join token carries it. `claims` are the
 * prefixes that were claimed for the node. Error: ERR_PODWIRE_STORE.
 */
export function grantNode(
  users: Users,
  { node, claims }: { node: string; claims: readonly string[] },
): Promise<Secret> {
  return withClient(users, `making the user of ${node}`, async (client, address) => {
    const user = nodeUser(address, node)
    const layout = new Layout(address.prefix)
    await removeUser(client, user)
    await client.ask('Auth/RoleAdd', encodeNames(user))
    const own = [layout.nodeKey(node), ...claims.map(claim => layout.claimKey(claim))]
    const permissions: Permission[] = [
      { may: 'read', ...layout.rangeOf() },
      ...own.map(key => ({ may: 'read and write' as const, key })),
    ]
    for (const permission of permissions) {
      await client.ask('Auth/RoleGrantPermission', encodePermission(user, permission))
    }
    const password = randomBytes(passwordBytes).toString('base64url')
    await client.ask('Auth/UserAdd', encodeCredentials(user, password))
    await client.ask('Auth/UserGrantRole', encodeNames(user, user))
    // An etcd that does not ask who comes takes nobody's password either: better said now than by the node.
    await client.ask('Auth/Authenticate', encodeCredentials(user, password))
    return new Secret(Buffer.from(`${user}:${password}`))
  })
}

/** Takes a node's user and role away; false if there is none. Its connections live on until they break. ERR_PODWIRE_STORE. */
export function revokeNode(users: Users, node: string): Promise<boolean> {
  return withClient(users, `removing the user of ${node}`, (client, address) =>
    removeUser(client, nodeUser(address, node)),
  )
}

/** The nodes that have a user, by name. Error: ERR_PODWIRE_STORE. */
export function listGrantedNodes(users: Users): Promise<string[]> {
  return withClient(users, 'reading the users', async (client, address) => {
    const start = nodeUser(address, '')
    const { answer } = await client.ask('Auth/UserList', Buffer.alloc(0))
    const own = decodeNames(answer).filter(user => user.startsWith(start))
    const nodes = own.map(user => user.slice(start.length))
    return nodes.filter(node => node !== '' && !node.includes('/')).sort()
  })
}

async function removeUser(client: EtcdClient, user: string): Promise<boolean> {
  const wasThere = await unlessMissing(client.ask('Auth/UserDelete', encodeNames(user)))
  await unlessMissing(client.ask('Auth/RoleDelete', encodeNames(user)))
  return wasThere
}

async function unlessMissing(asked: Promise<unknown>): Promise<boolean> {
  try {
    await asked
    return true
  } catch (error) {
    if (error instanceof GrpcError && /(user|role) name not found/.test(error.message)) return false
    throw error
  }
}

async function withClient<T>(
  { address, access }: Users,
  what: string,
  run: (client: EtcdClient, address: EtcdAddress) => Promise<T>,
): Promise<T> {
  const parsed = parseEtcdAddress(address.replace(/^etcd:/, ''))
  const client = new EtcdClient(parsed.endpoints, access)
  try {
    return await run(client, parsed)
  } catch (error) {
    if (!(error instanceof GrpcError)) throw error
    throw podwireError('ERR_PODWIRE_STORE', { store: address, what, reason: error.message }, error)
  } finally {
    client.close()
  }
}

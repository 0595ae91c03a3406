// How a command comes to its store: by --store and the options of access beside it, or by the settings of a network that this
// host has joined.

import type { Command } from 'commander'
import { joinedNetworks, readSettings, type Settings } from '../agent/settings.ts'
import { podwireError } from '../base/errors.ts'
import type { StoreAccess } from '../store/access.ts'
import { openStore, type Store } from '../store/store.ts'

/** As commander gives them. */
export interface StoreFlags {
  readonly store?: string
  readonly storePin?: string
  readonly storeIdentity?: string
  readonly storeCa?: string
  readonly storeCert?: string
  readonly storeKey?: string
  readonly storeUser?: string
  readonly storePassword?: string
  readonly kubeconfig?: string
}

export function defineStoreFlags(command: Command): Command {
  return command
    .option('--store <address>', 'where the records of all nodes are, as file:/path/to/folder')
    .option('--store-pin <sha256>', "server: its certificate's public key, SHA-256 in base64url")
    .option('--store-identity <file>', 'server: private key by which it knows this node')
    .option('--store-ca <file>', 'etcd: certificates that the servers are checked against')
    .option('--store-cert <file>', 'etcd: our certificate')
    .option('--store-key <file>', 'etcd: its private key')
    .option('--store-user <name>', 'etcd: user, in place of a certificate')
    .option('--store-password <file>', 'etcd: file with the password of that user')
    .option('--kubeconfig <file>', "kubernetes: absent, the pod's service account")
}

export function readAccess(flags: StoreFlags): StoreAccess {
  const { storePin, storeIdentity, storeCa, storeCert, storeKey, storeUser, storePassword, kubeconfig } = flags
  return {
    ...(storePin !== undefined && { pin: storePin }),
    ...(storeIdentity !== undefined && { identityFile: storeIdentity }),
    ...(storeCa !== undefined && { caFile: storeCa }),
    ...(storeCert !== undefined && { certFile: storeCert }),
    ...(storeKey !== undefined && { keyFile: storeKey }),
    ...(storeUser !== undefined && { user: storeUser }),
    ...(storePassword !== undefined && { passwordFile: storePassword }),
    ...(kubeconfig !== undefined && { kubeconfigFile: kubeconfig }),
  }
}

/**
 * Settings of the network named, or of the only one that this host has joined.
 * Errors: ERR_PODWIRE_NOT_JOINED, ERR_PODWIRE_USAGE (several), those of readSettings.
 */
export async function chooseSettings(network: string | undefined, command: string): Promise<Settings> {
  const names = network === undefined ? await joinedNetworks() : [network]
  if (names.length > 1) {
    throw podwireError('ERR_PODWIRE_USAGE', { what: `this host has joined ${names.join(', ')}: name one`, command })
  }
  const [name] = names
  const settings = name === undefined ? undefined : await readSettings(name)
  if (settings !== undefined) return settings
  throw podwireError('ERR_PODWIRE_NOT_JOINED', { what: name === undefined ? 'any network' : `the network ${name}` })
}

/** A store that a command works in, and what this host is there. */
export interface OpenedStore {
  readonly store: Store
  readonly access: StoreAccess
  /** Absent where the store was named by --store. */
  readonly settings?: Settings
}

/** The store of --store, else that of a network joined. Errors: those of chooseSettings and openStore. */
export async function openChosenStore(flags: StoreFlags & { network?: string }, command: string): Promise<OpenedStore> {
  if (flags.store !== undefined) {
    const access = readAccess(flags)
    return { store: await openStore(flags.store, access), access }
  }
  const settings = await chooseSettings(flags.network, command)
  const { store, access } = settings
  return { store: await openStore(store, access), access, settings }
}

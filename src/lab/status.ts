// What a lab is at this moment, read from the kernel: hosts and containers, their interfaces and addresses, what runs there.

import { podwireError } from '../base/errors.ts'
import { exec } from '../base/exec.ts'
import { namespacesOf, processesIn, readState, requireRoot } from './lifetime.ts'
import { namespacePrefix, netnsPath } from './names.ts'

export interface LabStatus {
  readonly name: string
  /** The process that it goes with; null if it stays. */
  readonly owner: number | null
  readonly places: readonly PlaceStatus[]
}

/** A host, a container ("a/c1"), or the bridge of a LAN. */
export interface PlaceStatus {
  readonly kind: 'host' | 'container' | 'lan'
  readonly name: string
  readonly interfaces: readonly InterfaceStatus[]
  /** Numbers of the processes in it. */
  readonly processes: readonly number[]
}

export interface InterfaceStatus {
  readonly name: string
  readonly mtuBytes: number
  readonly up: boolean
  readonly addresses: readonly string[]
}

interface IpAddressShow {
  ifname: string
  mtu: number
  flags: string[]
  addr_info: { local?: string; prefixlen?: number; scope?: string }[]
}

/** Errors: ERR_PODWIRE_LAB_NOT_UP, ERR_PODWIRE_NEEDS_ROOT. */
export async function labStatus(name: string, file: string): Promise<LabStatus> {
  requireRoot('a lab')
  const state = readState(name)
  if (state === undefined) throw podwireError('ERR_PODWIRE_LAB_NOT_UP', { name, file })
  const places = await Promise.all(namespacesOf(name).map(namespace => placeStatus(name, namespace)))
  return { name, owner: state.owner?.pid ?? null, places }
}

async function placeStatus(lab: string, namespace: string): Promise<PlaceStatus> {
  const rest = namespace.slice(namespacePrefix(lab).length)
  const kind = rest.startsWith('_') ? 'lan' : rest.includes('.') ? 'container' : 'host'
  const { stdout } = await exec(['ip', '-n', namespace, '-j', 'address', 'show'])
  const links: IpAddressShow[] = JSON.parse(stdout)
  return {
    kind,
    name: rest.replace(/^_/, '').replace('.', '/'),
    interfaces: links
      .filter(({ ifname }) => ifname !== 'lo')
      .map(({ ifname, mtu, flags, addr_info }) => ({
        name: ifname,
        mtuBytes: mtu,
        up: flags.includes('UP'),
        addresses: addr_info
          .filter(({ local, scope }) => local !== undefined && scope !== 'link')
          .map(({ local, prefixlen }) => `${local}/${prefixlen}`),
      })),
    processes: processesIn([netnsPath(namespace)]),
  }
}

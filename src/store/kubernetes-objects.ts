// What a store holds, as objects of the API group podwire.dev (deploy/kubernetes/crd.yaml), there and back. An object's name is
// made from what it is about, so that creating it is the compare-and-swap; what lies under another name is not believed.
//
//   PodwireNetwork  default                      PodwireNode  the node's name
//   PodwireClaim    10.99.1.0-24                 PodwireRemoval  the public key in hexadecimal
//                   fd99-0000-0000-0001-0000-0000-0000-0000-64

import { parsePrefix } from '../base/cidr.ts'
import { podwireError } from '../base/errors.ts'
import type { KubeObject, OwnerReference } from '../kubernetes/resource.ts'
import { type NetworkConfig, parseNetworkConfig } from '../model/network-config.ts'
import {
  type Claim,
  type NodeRecord,
  parseClaim,
  parseNodeRecord,
  parseRemoval,
  type Removal,
} from '../model/node-record.ts'
import { keyStem } from './stem.ts'

export const apiVersion = 'podwire.dev/v1alpha1'
export const networkName = 'default'

/** Many times the longest record; what somebody else puts beside it (labels) costs nobody but itself. */
const maxObjectBytes = 64 << 10

/** "10.99.1.0/24" and "fd99:0:0:1::/64" as names that the API allows. */
export function claimName(text: string): string {
  const { family, value, length } = parsePrefix(text, 'claim')
  if (family === 4) return text.replace('/', '-')
  const groups = value.toString(16).padStart(32, '0').match(/.{4}/g) ?? []
  return `${groups.join('-')}-${length}`
}

export function networkObject(network: NetworkConfig): object {
  return { apiVersion, kind: 'PodwireNetwork', metadata: { name: networkName }, spec: network }
}

export function nodeObject({ name, ...spec }: NodeRecord, metadata: object = {}): KubeObject {
  return { apiVersion, kind: 'PodwireNode', metadata: { ...metadata, name }, spec } as KubeObject
}

export function claimObject(claim: Claim, owners: readonly OwnerReference[] = []): object {
  const metadata = { name: claimName(claim.prefix), ownerReferences: owners }
  return { apiVersion, kind: 'PodwireClaim', metadata, spec: claim }
}

export function removalObject(removal: Removal): object {
  return { apiVersion, kind: 'PodwireRemoval', metadata: { name: keyStem(removal.publicKey) }, spec: removal }
}

/** The prefixes of a Node of the cluster. */
export function podCidrsOf({ spec }: KubeObject): string[] {
  return (spec as { podCIDRs?: string[] } | undefined)?.podCIDRs ?? []
}

// Of all that follow: ERR_PODWIRE_DOCUMENT, and what else the model's parsers say.

export function readNetworkObject(object: KubeObject): NetworkConfig {
  return parseNetworkConfig(specText(object), placeOf(object, 'podwirenetworks'))
}

export function readNodeObject(object: KubeObject): NodeRecord {
  const place = placeOf(object, 'podwirenodes')
  const spec = JSON.parse(specText(object))
  return parseNodeRecord(JSON.stringify({ endpoints: [], prefixes: [], ...spec, name: object.metadata.name }), place)
}

export function readClaimObject(object: KubeObject): Claim {
  const place = placeOf(object, 'podwireclaims')
  const claim = parseClaim(specText(object), place)
  return named(object, claim, claimName(claim.prefix), place)
}

export function readRemovalObject(object: KubeObject): Removal {
  const place = placeOf(object, 'podwireremovals')
  const removal = parseRemoval(specText(object), place)
  return named(object, removal, keyStem(removal.publicKey), place)
}

function specText({ spec = null }: KubeObject): string {
  return JSON.stringify(spec)
}

function placeOf(object: KubeObject, plural: string): string {
  const place = `${plural}/${object.metadata.name}`
  if (JSON.stringify(object).length <= maxObjectBytes) return place
  const reason = `it is larger than ${maxObjectBytes >> 10} KiB`
  throw podwireError('ERR_PODWIRE_DOCUMENT', { file: place, path: 'the object', reason })
}

function named<T>(object: KubeObject, value: T, name: string, file: string): T {
  if (object.metadata.name === name) return value
  throw podwireError('ERR_PODWIRE_DOCUMENT', { file, path: 'metadata.name', reason: `its spec belongs to "${name}"` })
}

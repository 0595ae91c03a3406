// The last view of the network, on this node's disk, for a start while the store does not answer. One document:
//   { "digest": SHA-256 of the view's JSON, "view": { "store", "network", "nodes", "claims", "removals" } }
// What is read is checked like a record of the store: the file may be old, or damaged, and then it is none.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type Field, listItems, objectFields, parseJson, placeOf, refuse, stringValue } from '../model/document.ts'
import { parseNetworkConfig } from '../model/network-config.ts'
import { type NetworkView, parseClaim, parseNodeRecord, parseRemoval } from '../model/node-record.ts'
import { replaceFile, sweepBeside } from '../store/atomic-file.ts'

/** The last view of that store; undefined if there is none, or another's. Errors: ERR_PODWIRE_DOCUMENT and others of a damaged one; what the file system says. */
export async function readSnapshot(file: string, store: string): Promise<NetworkView | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  const last = text === undefined ? undefined : parseSnapshot(text, file)
  return last?.store === store ? last.view : undefined
}

/** Whole or not at all, and for its owner alone. Errors: what the file system says. */
export async function writeSnapshot(file: string, store: string, view: NetworkView): Promise<void> {
  await replaceFile(file, formatSnapshot(store, view), { mode: 0o600 })
  await sweepBeside(file)
}

export function formatSnapshot(store: string, { network, nodes, claims, removals }: NetworkView): string {
  const lists = { nodes: [...nodes.values()], claims: [...claims.values()], removals: [...removals.values()] }
  const view = JSON.stringify({ store, network, ...lists })
  return `{"digest":"${digestOf(view)}","view":${view}}\n`
}

/** As formatSnapshot writes it. */
export function parseSnapshot(text: string, file: string): { store: string; view: NetworkView } {
  const { digest, view } = objectFields(parseJson(text, file), ['digest', 'view'])
  if (stringValue(digest) !== digestOf(JSON.stringify(view.value))) {
    throw refuse(digest, 'the view is not the one that was written')
  }
  const { store, network, nodes, claims, removals } = objectFields(view, [
    'store',
    'network',
    'nodes',
    'claims',
    'removals',
  ])
  const parsed = {
    nodes: parseList(nodes, parseNodeRecord),
    claims: parseList(claims, parseClaim),
    removals: parseList(removals, parseRemoval),
  }
  const whole = {
    network: parseNetworkConfig(JSON.stringify(network.value), placeOf(network)),
    nodes: new Map(parsed.nodes.map(node => [node.name, node])),
    claims: new Map(parsed.claims.map(claim => [claim.prefix, claim])),
    removals: new Map(parsed.removals.map(removal => [removal.publicKey, removal])),
  }
  return { store: stringValue(store), view: whole }
}

function parseList<T>(field: Field, parse: (text: string, place: string) => T): T[] {
  return listItems(field).map(item => parse(JSON.stringify(item.value), placeOf(item)))
}

function digestOf(view: string): string {
  return createHash('sha256').update(view).digest('base64url')
}

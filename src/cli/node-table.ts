// Nodes as text: a table of all, and one in full. What a store says may hold anything: it is printed by `printable`.

import type { ListedNode, NodeList } from '../agent/node-list.ts'
import { printable } from './printable.ts'

export function formatNodes({ network, nodes, unreadable }: NodeList): string {
  const rows = [
    ['NAME', 'ADDRESSES', 'ENDPOINT', 'LAST HANDSHAKE', ''],
    ...nodes.map(node => [
      node.name,
      node.addresses.join(' ') || '-',
      node.endpointInUse ?? node.endpoints[0] ?? '-',
      node.lastHandshake === undefined ? '-' : node.lastHandshake.replace('T', ' ').replace(/\.\d+Z$/, ' UTC'),
      node.problem === undefined ? (node.self ? 'this host' : '') : `left out: ${node.problem}`,
    ]),
  ]
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0))) ?? []
  const lines = rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  const table = nodes.length === 0 ? [`The network ${network} has no nodes yet.`] : lines
  return printable([...table, ...unreadable.map(reason => `left out: ${reason}`)].join('\n'))
}

export function formatNode(node: ListedNode): string {
  const rows = [
    ['name', node.name],
    ['public key', node.publicKey],
    ['addresses', node.addresses.join(' ')],
    ['prefixes', node.prefixes.join(' ')],
    ['endpoints', node.endpoints.join(' ') || 'none: it calls the others'],
    ['reached at', node.endpointInUse],
    ['last handshake', node.lastHandshake],
    ['left out', node.problem],
  ]
  return printable(
    rows.flatMap(([name = '', value]) => (value === undefined ? [] : `${name.padEnd(16)}${value}`)).join('\n'),
  )
}

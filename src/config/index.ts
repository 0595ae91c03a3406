// `podwire/config`: the configuration documents for programs. Pure: text in, data out, and back; nothing is read, written or changed.
// What is not exported here may change at any time.

export { type ErrorCode, PodwireError } from '../base/errors.ts'
export { Secret, type SecretSource } from '../base/secret.ts'
export { planNode } from '../plan/network.ts'
export { type Access, networkAccess } from '../plan/network-access.ts'
export { describeNetworkDiff, diffNetworks, type NetworkDiff } from '../plan/network-diff.ts'
export { type DocumentKind, documentKind } from './document-kind.ts'
export type { HookName, InterfaceConfig, PeerConfig } from './interface-config.ts'
export { formatInterfaceIni, parseInterfaceIni } from './interface-ini.ts'
export { formatInterfaceJson, parseInterfaceJson } from './interface-json.ts'
export { type NetworkDocument, type NetworkNode, parseNetworkDocument } from './network-document.ts'

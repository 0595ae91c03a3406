// What happens to a server in the crash test, in order: everything that writes, at least once.

import { formatPublicKey } from '../../../src/base/key.ts'
import type { Caller, Request } from '../../../src/server/routes.ts'
import { testRecord } from '../store/conformance.ts'

interface Step {
  readonly caller: Caller
  readonly request: Request
}

export const nodeKey = formatPublicKey(Buffer.alloc(32, 'a key'))

export function steps(secret: string): readonly Step[] {
  const asRoot = { kind: 'root' } as const
  const asNode = { kind: 'remote', address: '192.0.2.1', key: nodeKey } as const
  const claim = { prefix: '10.99.1.0/24', node: 'a', sinceMs: 1 }
  const other = { prefix: '10.99.2.0/24', node: 'a', sinceMs: 1 }
  const step = (caller: Caller, method: string, path: string, value: unknown = null) => {
    return { caller, request: { method, path, body: { file: 'step', path: '', value } } }
  }
  return [
    step(asNode, 'POST', 'join', { node: 'a', secret }),
    step(asNode, 'POST', 'claims', claim),
    step(asNode, 'PUT', 'nodes/a', testRecord('a')),
    step(asNode, 'PUT', 'nodes/a', testRecord('a', { endpoints: [] })),
    step(asNode, 'POST', 'claims', other),
    step(asNode, 'POST', 'release', claim),
    step(asRoot, 'POST', 'tokens', {}),
    step(asRoot, 'PUT', 'nodes/b', testRecord('b')),
    step(asRoot, 'DELETE', 'nodes/a'),
  ]
}

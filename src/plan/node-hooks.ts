// The hooks of a rendered configuration, which do what a WireGuard configuration cannot say. They are found again in a file by
// their text: each may run at any time again, so `podwire quick reload` runs them, though it runs no other hook.

import type { Family } from '../base/cidr.ts'
import type { InterfaceConfig } from '../config/interface-config.ts'
import { type AcceptRules, renderAcceptRules } from '../policy/accept-rules.ts'

/** Puts the rules in place, or takes those away that are there: one nft transaction either way. */
export function acceptHook(rules: AcceptRules | undefined): string {
  return `nft '${renderAcceptRules(rules, '%i', 'one line')}'`
}

/** A host that forwards IPv6 ignores router advertisements, unless told to take them (2): it would lose its own way out. */
export function forwardHook(family: Family): string {
  if (family === 4) return 'sysctl -q -w net.ipv4.ip_forward=1'
  const heed = 'for f in /proc/sys/net/ipv6/conf/*/accept_ra; do if grep -qx 1 "$f"; then echo 2 >"$f"; fi; done'
  return `${heed}; sysctl -q -w net.ipv6.conf.all.forwarding=1`
}

export interface RenderedHooks {
  /** What nft is given, "%i" not filled in. Absent: the file says nothing about rules, as one written by hand. */
  readonly acceptScript?: string
  readonly forwards: readonly string[]
}

export function findRenderedHooks({ hooks: { preUp, postUp } }: Pick<InterfaceConfig, 'hooks'>): RenderedHooks {
  const start = renderAcceptRules(undefined, '%i', 'one line')
  const scripts = preUp.flatMap(command => /^nft '([^']*)'$/.exec(command)?.[1] ?? [])
  const acceptScript = scripts.findLast(script => script.startsWith(start))
  const forwards = [forwardHook(4), forwardHook(6)]
  return {
    ...(acceptScript !== undefined && { acceptScript }),
    forwards: postUp.filter(command => forwards.includes(command)),
  }
}

// The hooks of a rendered configuration, which do what a WireGuard configuration cannot say. They are found again in a file by
// their text: each may run at any time again, so `podwire quick reload` runs them, though it runs no other hook.

import type { Family } from '../base/cidr.ts'
import type { InterfaceConfig } from '../config/interface-config.ts'
import { type AcceptRules, renderAcceptRules } from '../policy/accept-rules.ts'
import { unreachableMetric } from './plan.ts'

/**
 * Puts the rules in place, or takes those away that are there: one nft transaction either way. It is given to nft as its input,
 * since one argument of a program has at most 128 KiB.
 */
export function acceptHook(rules: AcceptRules | undefined): string {
  return `nft -f - <<<'${renderAcceptRules(rules, '%i', 'one line')}'`
}

/** A host that forwards IPv6 ignores router advertisements, unless told to take them (2): it would lose its own way out. */
export function forwardHook(family: Family): string {
  if (family === 4) return 'sysctl -q -w net.ipv4.ip_forward=1'
  const heed = 'for f in /proc/sys/net/ipv6/conf/*/accept_ra; do if grep -qx 1 "$f"; then echo 2 >"$f"; fi; done'
  return `${heed}; sysctl -q -w net.ipv6.conf.all.forwarding=1`
}

/**
 * Where no better route leads, an address of the range leads nowhere: else it would go out in clear by the default route, and
 * whoever sent from one would seem to come from where it is routed.
 */
export function unreachableHook(prefix: string): string {
  const family = prefix.includes(':') ? 6 : 4
  return `ip -${family} route replace unreachable ${prefix} metric ${unreachableMetric}`
}

/** What takes back a hook of those two kinds; undefined for any other command. */
export function undoHook(command: string): string | undefined {
  if (findAcceptScript(command) !== undefined) return acceptHook(undefined)
  return isUnreachable(command) ? `${command.replace(' replace ', ' delete ')} 2>/dev/null || true` : undefined
}

function isUnreachable(command: string): boolean {
  return /^ip -[46] route replace unreachable [\d.:a-f/]+ metric \d+$/.test(command)
}

function findAcceptScript(command: string): string | undefined {
  const script = /^nft -f - <<<'([^']*)'$/.exec(command)?.[1]
  return script?.startsWith(renderAcceptRules(undefined, '%i', 'one line')) ? script : undefined
}

export interface RenderedHooks {
  /** What nft is given, "%i" not filled in. Absent: the file says nothing about rules, as one written by hand. */
  readonly acceptScript?: string
  readonly routes: readonly string[]
  readonly forwards: readonly string[]
}

export function findRenderedHooks({ hooks: { preUp, postUp } }: Pick<InterfaceConfig, 'hooks'>): RenderedHooks {
  const acceptScript = preUp.map(findAcceptScript).findLast(script => script !== undefined)
  const forwards = [forwardHook(4), forwardHook(6)]
  return {
    ...(acceptScript !== undefined && { acceptScript }),
    routes: preUp.filter(isUnreachable),
    forwards: postUp.filter(command => forwards.includes(command)),
  }
}

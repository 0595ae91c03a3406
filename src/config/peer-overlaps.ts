// AllowedIPs that two peers of a device both have. WireGuard takes them: the more specific prefix gets the packet, and of two
// equal ones only the later peer keeps its own. Both may be meant, so these are warnings.

import { type Cidr, containsCidr, parseCidr } from '../base/cidr.ts'

interface Owned extends Cidr {
  readonly text: string
  readonly peer: number
}

/** More than anyone reads: the rest is counted. */
const maxWarnings = 10

/** One line for each overlap. `peers` have a name for the text ("peers[1]") and canonical prefixes. */
export function overlapWarnings(peers: readonly { name: string; allowedIps: readonly string[] }[]): string[] {
  const owned = peers.flatMap(({ allowedIps }, peer) =>
    allowedIps.map((text): Owned => ({ ...parseCidr(text, 'AllowedIPs'), text, peer })),
  )
  owned.sort((a, b) => a.family - b.family || compare(a.value, b.value) || a.length - b.length || a.peer - b.peer)
  const name = ({ peer }: Owned) => peers[peer]?.name ?? ''
  const warnings: string[] = []
  // Sorted so, every prefix around the one at hand is still in `around`, the widest first.
  const around: Owned[] = []
  for (const inner of owned) {
    while (around.length > 0 && !containsCidr(around.at(-1) as Owned, inner)) around.pop()
    const outer = around.findLast(({ peer }) => peer !== inner.peer)
    const last = around.at(-1)
    // The same again would make the list longer than the 128 prefixes that may lie around one.
    if (last === undefined || last.peer !== inner.peer || last.length !== inner.length) around.push(inner)
    if (outer === undefined) continue
    warnings.push(
      outer.length === inner.length
        ? `${inner.text} is given to ${name(outer)} and to ${name(inner)}: only the later one gets it`
        : `${inner.text} of ${name(inner)} is inside ${outer.text} of ${name(outer)}: the more specific one gets it`,
    )
  }
  const more = warnings.length - maxWarnings
  return more > 0 ? [...warnings.slice(0, maxWarnings), `${more} more AllowedIPs overlap like this`] : warnings
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}

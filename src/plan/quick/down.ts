// `down`: PreDown, save, what stands around the link, the link, PostDown. The link goes last of all that the kernel holds, so
// that a `down` that was killed finds it again, and with it all that is left to do.

import type { Family } from '../../base/cidr.ts'
import type { InterfaceConfig } from '../../config/interface-config.ts'
import type { HostFacts } from './facts.ts'
import { removeDns, removeFirewallSteps, removeRuleSteps } from './routing.ts'
import { hookSteps, run, type Step } from './step.ts'

export interface Down {
  /** Before anything is changed: one that fails ends it all. */
  readonly before: readonly Step[]
  readonly remove: readonly Step[]
  readonly after: readonly Step[]
}

export function planDown(name: string, config: InterfaceConfig, facts: HostFacts): Down {
  const { link, device } = facts
  const saves = config.saveConfig && link !== undefined && device !== undefined
  return {
    before: [
      ...(link === undefined ? [] : hookSteps(name, config.hooks.preDown)),
      ...(saves ? [{ action: { kind: 'save' } } as const] : []),
    ],
    remove: [
      ...removeSurroundings(name, config, facts),
      ...(link === undefined ? [] : [{ action: run(['ip', 'link', 'delete', 'dev', name]) }]),
    ],
    after: hookSteps(name, config.hooks.postDown),
  }
}

/** Rules, firewall and DNS, wherever they came from: this program, wg-quick, or either of them killed halfway. */
function removeSurroundings(name: string, config: InterfaceConfig, facts: HostFacts): Step[] {
  const families: Family[] = [4, 6]
  const isOurs = ownMarks(facts)
  const hasDns = config.dns.servers.length > 0 && facts.resolvconf !== undefined
  return [
    ...families.flatMap(family => removeRuleSteps(family, isOurs, facts)),
    ...families.flatMap(family => removeFirewallSteps(name, family, facts)),
    ...(hasDns ? [{ action: removeDns(name, facts) }] : []),
  ]
}

/** Tells the marks whose rules belong to this link: its device's, its firewall's, and those whose table leads to it. */
export function ownMarks({ device, firewallMarks, link }: HostFacts): (mark: number) => boolean {
  const tables = link?.routes.map(({ table }) => table) ?? []
  const marks = new Set([device?.fwmark, firewallMarks[4], firewallMarks[6], ...tables])
  return mark => marks.has(mark)
}

/** Whether something is left of a link that is gone. */
export function isLeftOver({ link, firewallMarks }: HostFacts): boolean {
  return link === undefined && (firewallMarks[4] !== undefined || firewallMarks[6] !== undefined)
}

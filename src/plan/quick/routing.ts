// Steps that both `up` and `reload` are made of: an address, a route, and what a default route needs around it.

import { type Family, parseCidr } from '../../base/cidr.ts'
import { type HostFacts, type LinkRoute, mainTable } from './facts.ts'
import { type Action, run, type Step } from './step.ts'
import { firewallScript, removeFirewallScript, type Tunnel } from './tunnel.ts'

export function addressAction(verb: 'add' | 'delete', address: string, name: string): Action {
  return run(['ip', flag(familyOf(address)), 'address', verb, address, 'dev', name])
}

export function routeAction(
  verb: 'add' | 'replace' | 'delete',
  { destination, table }: LinkRoute,
  name: string,
): Action {
  const words = ['route', verb, destination, 'dev', name]
  // A route of the kernel's own to the same place is not ours to delete.
  const owner = verb === 'delete' ? ['proto', 'boot'] : []
  const where = table === mainTable ? [] : ['table', String(table)]
  return run(['ip', flag(familyOf(destination)), ...words, ...owner, ...where])
}

/**
 * What keeps a family's encrypted datagrams out of the tunnel, as far as it is not there: the nftables table first, since
 * who cleans up after a crash finds the mark in it.
 */
export function defaultRouteSteps(options: {
  readonly name: string
  readonly family: Family
  readonly addresses: readonly string[]
  readonly tunnel: Tunnel
  readonly facts: HostFacts
}): Step[] {
  const { name, family, addresses, facts } = options
  const { mark } = options.tunnel
  const script = firewallScript(name, family, addresses, mark)
  const before = currentFirewall(name, family, facts)
  const steps: Step[] = []
  if (before !== script) {
    const undo = nft(before ?? removeFirewallScript(name, family))
    steps.push({ action: nft(script), undo })
  }
  const rule = facts.markRules.find(other => other.family === family && other.mark === mark)
  if (rule === undefined) steps.push(ruleStep(family, markRule(mark)))
  if (rule === undefined || suppressionOf(rule, facts) === undefined) steps.push(ruleStep(family, suppressRule))
  if (family === 4 && !facts.srcValidMark) {
    const sysctl = (value: string): Action => ({ kind: 'sysctl', name: 'ipv4/conf/all/src_valid_mark', value })
    steps.push({ action: sysctl('1'), undo: sysctl('0') })
  }
  return steps
}

/** The script that would make the table that is there, if there is one. */
function currentFirewall(name: string, family: Family, { firewallMarks, link }: HostFacts): string | undefined {
  const mark = firewallMarks[family]
  return mark === undefined ? undefined : firewallScript(name, family, link?.addresses ?? [], mark)
}

/** Takes the rules of these marks away, each with the one for the main table that stands right before it. */
export function removeRuleSteps(family: Family, isOurs: (mark: number) => boolean, facts: HostFacts): Step[] {
  return facts.markRules
    .filter(rule => rule.family === family && isOurs(rule.mark))
    .flatMap(rule => {
      const own = suppressionOf(rule, facts)
      const at = (priority: number, words: readonly string[]) => ['preference', String(priority), ...words]
      const before = own === undefined ? [] : [removeRuleStep(family, at(own, suppressRule), at(own, suppressRule))]
      // The mark's rule last: while it is there, who comes after a crash knows that there is something to remove.
      const words = markRule(rule.mark)
      return [...before, removeRuleStep(family, words, at(rule.priority, words))]
    })
}

/** Takes this link's firewall of a family away, if there is one. */
export function removeFirewallSteps(name: string, family: Family, facts: HostFacts): Step[] {
  const before = currentFirewall(name, family, facts)
  return before === undefined ? [] : [{ action: nft(removeFirewallScript(name, family)), undo: nft(before) }]
}

/** Priority of the rule for the main table that stands between a tunnel's rule and that of the next tunnel. */
function suppressionOf({ family, priority }: HostFacts['markRules'][number], facts: HostFacts): number | undefined {
  const before = (rules: readonly { readonly family: Family; readonly priority: number }[]) =>
    rules.filter(rule => rule.family === family && rule.priority < priority).map(rule => rule.priority)
  const others = before(facts.markRules)
  return before(facts.suppressRules).find(own => others.every(other => other < own))
}

const suppressRule = ['table', 'main', 'suppress_prefixlength', '0']

function markRule(mark: number): string[] {
  return ['not', 'fwmark', String(mark), 'table', String(mark)]
}

function ruleStep(family: Family, words: readonly string[]): Step {
  return { action: ruleAction('add', family, words), undo: ruleAction('delete', family, words) }
}

function removeRuleStep(family: Family, words: readonly string[], whole: readonly string[]): Step {
  return { action: ruleAction('delete', family, words), undo: ruleAction('add', family, whole) }
}

function ruleAction(verb: 'add' | 'delete', family: Family, words: readonly string[]): Action {
  return run(['ip', flag(family), 'rule', verb, ...words])
}

export function nft(script: string): Action {
  return run(['nft', '-f', '-'], script)
}

/** Gives the servers to resolvconf, for as long as the link is up. */
export function dnsStep(
  name: string,
  dns: { readonly servers: readonly string[]; readonly search: readonly string[] },
  { resolvconf }: HostFacts,
): Step {
  const search = dns.search.length > 0 ? [`search ${dns.search.join(' ')}`] : []
  const lines = [...dns.servers.map(server => `nameserver ${server}`), ...search]
  const command = ['resolvconf', '-a', `${resolvconf?.prefix ?? ''}${name}`, '-m', '0', '-x'] as const
  return { action: run(command, `${lines.join('\n')}\n`), undo: removeDns(name, { resolvconf }) }
}

export function removeDns(name: string, { resolvconf }: { resolvconf?: HostFacts['resolvconf'] | undefined }): Action {
  return run(['resolvconf', '-d', `${resolvconf?.prefix ?? ''}${name}`, '-f'])
}

function flag(family: Family): '-4' | '-6' {
  return family === 4 ? '-4' : '-6'
}

function familyOf(cidr: string): Family {
  return parseCidr(cidr, 'quick').family
}

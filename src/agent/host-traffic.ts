// Keeps the table of host traffic as the plan says, in a network that encrypts it. It is replaced as a whole, in one transaction:
// connections that are there keep their way.

import { PodwireError } from '../base/errors.ts'
import { exec } from '../base/exec.ts'
import type { Log } from '../base/log.ts'
import type { Links } from '../native/link.ts'
import type { Admission } from '../plan/admit.ts'
import { planHostTraffic } from '../plan/host-traffic.ts'
import { type HostTraffic, hostTrafficSeal, hostTrafficTable, renderHostTraffic } from '../policy/host-traffic.ts'
import type { Nftables } from '../system/nftables.ts'
import { probePort } from './peer-path.ts'

interface Self {
  readonly name: string
  readonly device: string
  readonly endpoints: readonly string[]
  readonly listenPort: number
  readonly store: { readonly address: string }
  readonly host: { readonly links: Links; readonly nftables: Nftables }
  readonly log: Log
}

export class HostTrafficKeeper {
  readonly #self: Self
  /** There is no table, and none is wanted: nothing has to be looked at. */
  #isAbsent = false

  constructor(self: Self) {
    this.#self = self
  }

  /** What was planned, once it is so. Errors: those of nft. */
  async keep(admission: Admission, prefixes: readonly string[]): Promise<HostTraffic | undefined> {
    const { device, host, log } = this.#self
    const traffic = this.#plan(admission, prefixes)
    if (traffic === undefined && this.#isAbsent) return undefined
    if (await applyHostTraffic(host.nftables, device, traffic)) {
      log.info({ hosts: traffic?.hosts.length ?? 0 }, 'the rules of host traffic are renewed')
    }
    this.#isAbsent = traffic === undefined
    return traffic
  }

  #plan(admission: Admission, prefixes: readonly string[]): HostTraffic | undefined {
    const { network } = admission
    if (network.hostTraffic === undefined) return undefined
    const { name, device, endpoints, listenPort, store, host } = this.#self
    const nodes = [...admission.names()].flatMap(each => admission.admitted(each) ?? [])
    const addresses = host.links.addresses().map(({ cidr }) => cidr.replace(/\/\d+$/, ''))
    const own = { name, device, endpoints, ownPorts: [listenPort, probePort(listenPort)], prefixes, addresses }
    return planHostTraffic(network, nodes, { ...own, store: store.address })
  }
}

/** Whether anything was changed; without traffic, the table goes. Errors: those of nft. */
export async function applyHostTraffic(
  nftables: Pick<Nftables, 'run'>,
  device: string,
  traffic: HostTraffic | undefined,
): Promise<boolean> {
  const there = await readTable(device)
  const script = renderHostTraffic(device, traffic)
  if (traffic === undefined ? there === undefined : isWhole(there, script, hostTrafficSeal(traffic))) return false
  await nftables.run(script)
  return true
}

/** Whether all rules are there, and no other. */
function isWhole(there: string | undefined, script: string, seal: string): boolean {
  const count = (text: string, word: string) => text.split(word).length - 1
  const wanted = count(script, `"${seal}"`)
  return there !== undefined && count(there, `"${seal}"`) === wanted && count(there, 'comment "') === wanted
}

/** The rules' text, elements left out; undefined if there is no table. */
async function readTable(device: string): Promise<string | undefined> {
  try {
    return (await exec(['nft', '-t', 'list', 'table', 'inet', hostTrafficTable(device)])).stdout
  } catch (error) {
    if (error instanceof PodwireError && /No such file or directory/.test(error.message)) return undefined
    throw error
  }
}

// Keeps the table of host traffic as the plan says. It is replaced as a whole: connections that are there keep their way.

import { PodwireError } from '../base/errors.ts'
import { exec } from '../base/exec.ts'
import { type HostTraffic, hostTrafficSeal, hostTrafficTable, renderHostTraffic } from '../policy/host-traffic.ts'
import type { Nftables } from '../system/nftables.ts'

/** Whether anything was changed. Errors: those of nft. */
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

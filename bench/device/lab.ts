// Where it all runs: two hosts on a link, and a third that only attacks.
//
//   a ── wire, MTU 1500 ── b ── hostile ── c        a device on each of a and b for every subject

import { type Lab, startLab } from '../../src/lab/lab.ts'

export const outer = { a: '192.0.2.1', b: '192.0.2.2' } as const
/** The address of b that c reaches. */
export const attacked = '198.51.100.2'
export const linkMtu = 1500

export function startBenchLab(): Promise<Lab> {
  return startLab({
    name: `bench-${process.pid}`,
    networks: { wire: { mtu: linkMtu }, hostile: {} },
    hosts: {
      a: { networks: [{ network: 'wire', addresses: [`${outer.a}/24`] }] },
      b: {
        networks: [
          { network: 'wire', addresses: [`${outer.b}/24`] },
          { network: 'hostile', addresses: [`${attacked}/24`] },
        ],
      },
      c: { networks: [{ network: 'hostile', addresses: ['198.51.100.3/24'] }] },
    },
  })
}

/** Tries until it succeeds, for at most 10 s. */
export async function until<T>(what: string, attempt: () => Promise<T>): Promise<T> {
  const deadlineMs = Date.now() + 10_000
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > deadlineMs) throw new Error(`waited 10 s until ${what}`, { cause: error })
    }
  }
}

// UDP at the highest rate of which less than one datagram in a thousand is lost.

import type { Measure } from './measure.ts'
import { addFigure, quantile } from './samples.ts'
import { searchRate } from './search-rate.ts'

/** The largest payload of one unfragmented IPv4 packet in the tunnel, and a small one. */
const sizes = { udp1372: 1372, udp64: 64 } as const
const allowedLoss = 0.001
/** A sender that gets no further than this share of the rate has no processor left to send at it. */
const sentShare = 0.97

export const measureUdp: Measure = async ({ samples, sendFlow, settings: { quick } }, { name, target }) => {
  for (const key of ['udp1372', 'udp64'] as const) {
    const holds = async (rate: number, seconds: number) => {
      const { sent, received } = await sendFlow(target, { rate, size: sizes[key], seconds })
      return sent >= rate * seconds * sentShare && received >= sent * (1 - allowedLoss)
    }
    // After the first round it is known about where to look.
    const before = samples.figures[key]?.[name]
    const from = before === undefined ? { start: 50_000, step: 2 } : { start: quantile(before, 0.5), step: 1.15 }
    const rate = await searchRate(
      quick
        ? { ...from, precision: 1.08, tries: rate => holds(rate, 0.2), confirms: rate => holds(rate, 0.3) }
        : {
            ...from,
            precision: 1.03,
            // What fails once may have been the machine.
            tries: async rate => (await holds(rate, 0.5)) || (await holds(rate, 0.5)),
            confirms: async rate => (await holds(rate, 1)) && (await holds(rate, 1)),
          },
    )
    addFigure(samples, name, key, rate)
  }
}

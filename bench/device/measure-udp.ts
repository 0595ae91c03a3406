// UDP at the highest rate of which less than one datagram in a thousand is lost.

import type { Measure } from './measure.ts'
import { addFigure, quantile } from './samples.ts'
import { searchRate } from './search-rate.ts'

/** The largest payload of one unfragmented IPv4 packet in the tunnel, and a small one. */
const sizes = { udp1372: 1372, udp64: 64 } as const
const allowedLoss = 0.001
/** A sender that gets no further than this share of the rate has no processor left to send at it. */
const sentShare = 0.97

export const measureUdp: Measure = async ({ samples, sendFlow, settings: { quick } }, subject) => {
  const { name, target } = subject
  for (const key of ['udp1372', 'udp64'] as const) {
    const before = samples.figures[key]?.[name]
    const holds = async (rate: number) => {
      const seconds = quick ? 0.3 : 1
      const { sent, received } = await sendFlow(target, { rate, size: sizes[key], seconds })
      return sent >= rate * seconds * sentShare && received >= sent * (1 - allowedLoss)
    }
    // After the first round it is known about where to look.
    const search = before === undefined ? { start: 50_000, step: 2 } : { start: quantile(before, 0.5), step: 1.2 }
    addFigure(samples, name, key, await searchRate(holds, search))
  }
}

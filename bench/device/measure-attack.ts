// What is left of a session's throughput while a third host sends initiations whose mac1 is right and that are nothing else.

import { attacked } from './lab.ts'
import type { Measure } from './measure.ts'
import { runTcp } from './measure-tcp.ts'
import { addFigure } from './samples.ts'
import { publicKeys } from './subjects.ts'
import { trafficCommand } from './traffic.ts'

const floodRate = 50_000
/** TCP runs this long before it counts, so that the flood is there from the start. */
const omitSeconds = 1

export const measureAttack: Measure = async ({ lab, samples, settings }, { name, target, devices: [, b] }) => {
  if (b === undefined) return
  const seconds = Math.min(settings.seconds, 3)
  const { gbit: alone } = await runTcp(lab, target, { seconds, omitSeconds })
  const flood = trafficCommand(
    ...['flood', '--kind', 'initiations', '--public-key', publicKeys.b, '--to', `${attacked}:${b.port}`],
    ...['--rate', `${floodRate}`, '--seconds', `${omitSeconds + seconds + 0.5}`],
  )
  const [{ stdout }, { gbit }] = await Promise.all([
    lab.exec('c', flood),
    runTcp(lab, target, { seconds, omitSeconds }),
  ])
  const { sent, seconds: flooded } = JSON.parse(stdout)
  if (sent < 0.95 * floodRate * flooded) console.error(`the flood was only ${Math.round(sent / flooded)} a second`)
  addFigure(samples, name, 'attackedTcp1', gbit)
  addFigure(samples, name, 'attackKept', (100 * gbit) / alone)
}

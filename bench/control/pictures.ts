// The pictures of a result: how fast the network converges, and what memory the agent takes, against the number of nodes.

import { bars, curves } from '../device/chart.ts'
import { quantile } from '../device/samples.ts'
import { ink, picture } from '../device/svg.ts'
import type { SampleKey } from './figures.ts'
import { formatConditions, formatCount } from './report.ts'
import type { ControlResult } from './result.ts'

const strong = '#0a66c2'

/** Name of the picture -> SVG. */
export function drawControl(result: ControlResult): Record<string, string> {
  const footer = formatConditions(result).split('\n')
  const converging: readonly [subject: string, key: SampleKey, colour: string][] = [
    ['a node joins', 'joinMs', strong],
    ['a change', 'changeMs', '#2e9e6b'],
    ['cold start', 'coldStartMs', '#c2a14d'],
  ]
  const panel = (title: string, note: string, share: number) =>
    curves({
      title,
      note,
      marks: result.nodes.map(formatCount),
      axis: 'nodes',
      curves: converging.map(([subject, key, colour]) => ({
        subject,
        colour,
        micros: result.nodes.map(nodes => 1000 * quantile(result.samples[key]?.[nodes] ?? [], share)),
      })),
      emphasised: 'a node joins',
    })
  return {
    convergence: picture({
      title: 'How fast the network converges',
      subtitle: 'lower is better; until a real peer has an answer, the kernel has the route, or all routes are there',
      columns: 2,
      panels: [panel('Median', 'of all rounds', 0.5), panel('99th percentile', 'of all rounds', 0.99)],
      footer,
    }),
    memory: picture({
      title: 'What memory the agent takes',
      subtitle: 'shorter is better; a userspace device is a process of its own, and not in it',
      columns: 2,
      panels: [
        memoryPanel(result, 'residentMb', 'Resident memory at rest'),
        memoryPanel(result, 'peakMb', 'Its peak, after a cold start'),
      ],
      footer,
    }),
  }
}

function memoryPanel(result: ControlResult, key: SampleKey, title: string) {
  return bars({
    title,
    note: 'MB',
    bars: result.nodes.map(nodes => {
      const value = Math.max(...(result.samples[key]?.[nodes] ?? [0]))
      const colour = key === 'residentMb' ? strong : ink.faint
      return { subject: `${formatCount(nodes)} nodes`, value, label: value.toFixed(1), colour }
    }),
    emphasised: '',
  })
}

// A result as Markdown: every figure with its goal, a column for each number of nodes; the memory of what the agent imports.

import type { ControlResult, FigureResult } from './result.ts'

export function formatControl(result: ControlResult): string {
  const { nodes, figures, imports } = result
  const head = ['figure', 'goal', ...nodes.map(count => `${formatCount(count)} nodes`)]
  const rows = figures.map(figure => [
    figure.unit === '' ? figure.title : `${figure.title} (${figure.unit})`,
    formatGoal(figure),
    ...nodes.map(count => formatValue(figure, count)),
  ])
  const parts = [table(head, rows), formatConditions(result)]
  if (imports.length > 0) {
    const costs = imports.map(({ module, mb }) => [module, mb.toFixed(1)])
    const total = imports.reduce((sum, { mb }) => sum + mb, 0)
    parts.push(table(['what the agent loads', 'MB'], [...costs, ['together', total.toFixed(1)]]))
    parts.push(
      [
        'Resident memory that each adds to a process which has imported those above it, after a collection; the first row is Node.js',
        'itself. Medians of as many processes as there were cold starts.',
      ].join('\n'),
    )
  }
  return `${parts.join('\n\n')}\n`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const align = ['---', ...head.slice(1).map(() => '---:')]
  return [head, align, ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

function formatGoal({ goals = {}, unit, digits, values }: FigureResult): string {
  const asked = Object.entries(goals).filter(([count]) => values[Number(count)] !== undefined)
  const bounds = new Set(asked.map(([, bound]) => bound))
  const words = (bound: number) => `${formatNumber(bound, Number.isInteger(bound) ? 0 : digits)} ${unit}`.trim()
  if (bounds.size === 1 && asked.length > 1) return words([...bounds][0] ?? 0)
  return asked.map(([count, bound]) => `${words(bound)} at ${formatCount(Number(count))}`).join(', ') || '-'
}

function formatValue({ values, reached, digits }: FigureResult, nodes: number): string {
  const value = values[nodes]
  if (value === undefined) return '-'
  const mark = reached[nodes] === undefined ? '' : reached[nodes] ? ' ✓' : ' ✗'
  return `${formatNumber(value, digits)}${mark}`
}

/** What was measured, on what, as lines of prose. */
export function formatConditions({ conditions }: ControlResult): string {
  const { date, kernel, cpu, cores, node, store, backend, mtu, rounds, restSeconds } = conditions
  const { outageSeconds, lossSeconds, packetsPerSecond } = conditions
  return [
    `Two hosts with real agents and ${backend} devices, among simulated nodes, which are records and claims in a real store (${store}) and have`,
    `no endpoint. Each number of nodes: ${rounds.joins} joins, ${rounds.changes} changes, ${rounds.coldStarts} cold starts, ${restSeconds} s at rest. Packets are ${packetsPerSecond} a second between the two hosts,`,
    `for ${lossSeconds} s, and with the store down for ${outageSeconds} s. On ${date}: Linux ${kernel}, ${cores} cores of ${cpu}, link MTU ${mtu}; Node.js ${node}.`,
  ].join('\n')
}

export const formatCount = (count: number): string => count.toLocaleString('en-US')

function formatNumber(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

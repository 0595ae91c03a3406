// A result as Markdown: every figure with its goal, podwire beside wireguard-go and the others, and the conditions.

import { ours, reference } from './conditions.ts'
import { type Figure, type FigureKey, figureOf } from './figures.ts'
import type { Result } from './result.ts'

export function formatReport(result: Result): string {
  const others = result.subjects.map(({ name }) => name).filter(name => name !== ours && name !== reference)
  const rows = Object.entries(result.figures).map(([key, { medians, ratio, reached }]) => {
    const figure = figureOf(key as FigureKey)
    const value = (name: string) => formatValue(figure, medians[name])
    const mark = reached === undefined ? '' : reached ? ' ✓' : ' ✗'
    const [ownMark, ratioMark] = 'bound' in (figure.goal ?? {}) ? [mark, ''] : ['', mark]
    return [
      figure.unit === '' ? figure.title : `${figure.title} (${figure.unit})`,
      formatGoal(figure),
      `**${value(ours)}**${ownMark}`,
      value(reference),
      `${ratio === undefined ? '-' : `${ratio.toFixed(2)}x`}${ratioMark}`,
      ...others.map(value),
    ]
  })
  const head = ['figure', 'goal', ours, reference, 'ratio', ...others]
  const align = ['---', ...head.slice(1).map(() => '---:')]
  return `${[head, align, ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')}\n\n${formatConditions(result)}\n`
}

export function formatConditions({ conditions, subjects }: Result): string {
  const { date, kernel, cpu, cores, congestionControl, linkMtu, deviceMtu, rounds, secondsEach, node } = conditions
  const versions = subjects.flatMap(({ name, version }) => (version === undefined ? [] : [`${name} ${version}`]))
  return [
    `Medians of ${rounds} interleaved rounds, runs of up to ${secondsEach} s, on ${date}: Linux ${kernel}, ${cores} cores of ${cpu},`,
    `${congestionControl}, link MTU ${linkMtu}, device MTU ${deviceMtu}, both ends on one machine, joined by a veth (which has`,
    `checksum offload: a NIC without it gains less from segmentation); Node.js ${node}; ${versions.join(', ')}.`,
  ].join('\n')
}

function formatGoal({ goal, better, unit }: Figure): string {
  if (goal === undefined) return '-'
  const amount = 'ratio' in goal ? `${goal.ratio.toFixed(1)}x` : `${formatNumber(goal.bound, 0)} ${unit}`.trim()
  return `${amount} or ${better}`
}

export function formatValue({ digits }: Figure, value: number | undefined): string {
  return value === undefined ? '-' : formatNumber(value, digits)
}

function formatNumber(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

// The pictures of a result: throughput, cost, latency. Each as SVG, and the same as PNG.

import { Resvg } from '@resvg/resvg-js'
import { bars, curves } from './chart.ts'
import { bareLink, ours, reference } from './conditions.ts'
import { type FigureKey, figureOf } from './figures.ts'
import { formatValue } from './report.ts'
import type { Result } from './result.ts'
import type { Pings } from './samples.ts'
import { type Panel, picture } from './svg.ts'

/** Name of the file without its ending -> SVG. Those that the result has figures for. */
export function drawPictures(result: Result): Record<string, string> {
  const footer = footerOf(result)
  const drawn = {
    'device-throughput': picture({
      title: 'Throughput through a pair of userspace devices',
      subtitle: 'longer is better',
      columns: 2,
      panels: barPanels(result, ['tcp1', 'tcp4', 'udp1372', 'udp64', 'tcpBoth', 'attackedTcp1']),
      footer,
    }),
    'device-cost': picture({
      title: 'What it costs',
      subtitle: 'shorter is better',
      columns: 2,
      panels: barPanels(result, ['cpu', 'memory']),
      footer,
    }),
    'device-latency': picture({
      title: 'Ping through the tunnel',
      subtitle: 'lower is better; a lost ping counts as 1 s',
      columns: 2,
      panels: [
        ...curvePanel(result, 'rest', 'At rest', 'a ping every 10 ms, nothing else'),
        ...curvePanel(result, 'load', 'While TCP fills the tunnel', 'the same beside 4 TCP streams'),
      ],
      footer,
    }),
  }
  return Object.fromEntries(Object.entries(drawn).filter(([, svg]) => svg.includes('<g ')))
}

export function renderPng(svg: string): Uint8Array {
  return new Resvg(svg, { fitTo: { mode: 'zoom', value: 2 }, font: { defaultFontFamily: 'DejaVu Sans' } })
    .render()
    .asPng()
}

function barPanels(result: Result, keys: readonly FigureKey[]): Panel[] {
  return keys.flatMap(key => {
    const given = result.figures[key]
    if (given === undefined) return []
    const figure = figureOf(key)
    const label = (value: number) => formatValue(figure, value)
    // The bare link would dwarf the rest.
    const named = result.subjects.filter(({ name }) => name !== bareLink && given.medians[name] !== undefined)
    const plain = given.medians[bareLink]
    const notes = [
      figure.unit,
      ...(given.ratio === undefined ? [] : [`${given.ratio.toFixed(2)}x ${reference}`]),
      ...(plain === undefined ? [] : [`bare link ${label(plain)}`]),
    ]
    return bars({
      title: figure.title.replace(', after the above', ''),
      note: notes.filter(note => note !== '').join('  ·  '),
      bars: named.map(({ name }) => {
        const value = given.medians[name] ?? 0
        return { subject: name, value, label: label(value) }
      }),
      emphasised: ours,
    })
  })
}

/** From the median up: what is below it interests nobody. */
const lowestPercentile = 50

function curvePanel(result: Result, kind: Pings, title: string, note: string): Panel[] {
  const bySubject = result.pings[kind]
  if (bySubject === undefined) return []
  const shown = result.percentiles.flatMap((percent, i) => (percent >= lowestPercentile ? [{ percent, i }] : []))
  const named = result.subjects.filter(({ name }) => bySubject[name] !== undefined)
  return [
    curves({
      title,
      note,
      axis: 'percentile, of the pings of all rounds',
      marks: shown.map(({ percent }) => (percent === 100 ? 'max' : `${percent}`)),
      curves: named.map(({ name }) => ({
        subject: name,
        micros: shown.map(({ i }) => bySubject[name]?.[i] ?? Number.NaN),
      })),
      emphasised: ours,
    }),
  ]
}

function footerOf({ conditions, subjects }: Result): string[] {
  const { date, kernel, cpu, cores, congestionControl, linkMtu, deviceMtu, rounds, secondsEach } = conditions
  return [
    `Medians of ${rounds} interleaved rounds, runs of up to ${secondsEach} s. Linux ${kernel}, ${cores} cores of ${cpu}, both ends on one machine over a veth.`,
    `${congestionControl}, link MTU ${linkMtu}, device MTU ${deviceMtu}. ${subjects
      .flatMap(({ name, version }) =>
        version === undefined ? [] : [`${name} ${version.replace(/^v0\.0\.0-(\d{8}).*/, 'of $1')}`],
      )
      .join(', ')}. ${date}.`,
  ]
}

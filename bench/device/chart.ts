// The two kinds of panels: bars, one a subject, and curves of times.

import { circle, colourOf, ink, line, type Panel, polyline, rect, text } from './svg.ts'

const barHeight = 22
const barStep = 30
const nameWidth = 104
const valueWidth = 76

export interface Bar {
  readonly subject: string
  readonly value: number
  readonly label: string
  /** That of the subject, if absent. */
  readonly colour?: string
}

/** Horizontal bars from zero with their values at the end. `emphasised` is drawn bold. */
export function bars(options: {
  readonly title: string
  readonly note: string
  readonly bars: readonly Bar[]
  readonly emphasised: string
}): Panel {
  const { title, note, bars, emphasised } = options
  const largest = Math.max(...bars.map(({ value }) => value))
  return {
    height: 42 + bars.length * barStep,
    draw: width => {
      const room = width - nameWidth - valueWidth
      const rows = bars.flatMap(({ subject, value, label, colour = colourOf(subject) }, i) => {
        const y = 40 + i * barStep
        const length = Math.max((value / largest) * room, 2)
        const bold = subject === emphasised
        const style = { bold, fill: bold ? ink.title : ink.text }
        return [
          text(nameWidth - 10, y + 16, subject, { ...style, anchor: 'end' }),
          rect(nameWidth, y, length, barHeight, colour),
          text(nameWidth + length + 8, y + 16, label, style),
        ]
      })
      return [
        text(0, 14, title, { size: 15, fill: ink.title, bold: true }),
        text(0, 31, note, { size: 11, fill: ink.faint }),
        line([nameWidth - 0.5, 36], [nameWidth - 0.5, 36 + bars.length * barStep], ink.faint),
        ...rows,
      ].join('\n')
    },
  }
}

export interface Curve {
  readonly subject: string
  /** One for each label below. */
  readonly micros: readonly number[]
  /** That of the subject, if absent. */
  readonly colour?: string
}

const plotHeight = 260
const axisWidth = 58

/** Curves over equally spaced marks, on a logarithmic scale of time. */
export function curves(options: {
  readonly title: string
  readonly note: string
  readonly marks: readonly string[]
  /** What the marks are. */
  readonly axis: string
  readonly curves: readonly Curve[]
  readonly emphasised: string
}): Panel {
  const { title, note, marks, axis, curves, emphasised } = options
  const all = curves.flatMap(({ micros }) => micros).filter(value => value > 0)
  const [low, high] = [Math.floor(Math.log10(Math.min(...all))), Math.ceil(Math.log10(Math.max(...all)))]
  const decades = Array.from({ length: Math.max(high - low, 1) + 1 }, (_, i) => low + i)
  const top = 48
  return {
    height: top + plotHeight + 46 + 20 * Math.ceil(curves.length / 3),
    draw: width => {
      const x = (i: number) => axisWidth + (i / (marks.length - 1)) * (width - axisWidth - 12)
      const y = (micros: number) =>
        top + plotHeight * (1 - (Math.log10(Math.max(micros, 10 ** low)) - low) / (decades.length - 1))
      // The emphasised one last, so that it lies on top.
      const ordered = [...curves].sort((a, b) => Number(a.subject === emphasised) - Number(b.subject === emphasised))
      return [
        text(0, 14, title, { size: 15, fill: ink.title, bold: true }),
        text(0, 31, note, { size: 11, fill: ink.faint }),
        ...decades.flatMap(decade => [
          line([axisWidth, y(10 ** decade)], [width, y(10 ** decade)], ink.grid),
          text(axisWidth - 8, y(10 ** decade) + 4, formatMicros(10 ** decade), { size: 11, anchor: 'end' }),
        ]),
        ...marks.map((mark, i) => text(x(i), top + plotHeight + 18, mark, { size: 11, anchor: 'middle' })),
        text((axisWidth + width) / 2, top + plotHeight + 36, axis, {
          size: 11,
          fill: ink.faint,
          anchor: 'middle',
        }),
        ...ordered.flatMap(({ subject, micros, colour = colourOf(subject) }) => {
          const points = micros.map((value, i) => [x(i), y(value)] as const)
          const [width, radius] = subject === emphasised ? [3, 4] : [1.8, 2.5]
          return [polyline(points, colour, width), ...points.map(point => circle(...point, radius, colour))]
        }),
        ...curves.flatMap(({ subject, colour = colourOf(subject) }, i) => {
          const [left, below] = [
            axisWidth + (i % 3) * ((width - axisWidth) / 3),
            top + plotHeight + 60 + 20 * Math.floor(i / 3),
          ]
          return [
            rect(left, below - 9, 16, 5, colour),
            text(left + 22, below - 2, subject, { size: 12, bold: subject === emphasised }),
          ]
        }),
      ].join('\n')
    },
  }
}

export function formatMicros(micros: number): string {
  if (micros >= 1_000_000) return `${micros / 1_000_000} s`
  return micros >= 1_000 ? `${micros / 1_000} ms` : `${micros} µs`
}

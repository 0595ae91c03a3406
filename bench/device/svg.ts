// The few elements of SVG that the pictures need, as text, and how they look: a light ground, and a colour for each subject,
// podwire's strong, the others' quiet.

export const colours: Record<string, string> = {
  podwire: '#0a66c2',
  'wireguard-go': '#8795a6',
  gotatun: '#c2a14d',
  boringtun: '#a98bbf',
  'bare link': '#c9ced6',
}
export const ink = { title: '#14202e', text: '#3b4a5a', faint: '#7b8896', grid: '#e4e8ed', ground: '#ffffff' }
export const colourOf = (subject: string): string => colours[subject] ?? ink.faint

const escaped = (value: string) => value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
/** To a tenth of a pixel. */
const number = (value: number) => `${Math.round(value * 10) / 10}`

export interface TextStyle {
  readonly size?: number
  readonly fill?: string
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly bold?: boolean
}

export function text(x: number, y: number, content: string, style: TextStyle = {}): string {
  const { size = 13, fill = ink.text, anchor = 'start', bold = false } = style
  const weight = bold ? ' font-weight="bold"' : ''
  return `<text x="${number(x)}" y="${number(y)}" font-size="${size}" fill="${fill}" text-anchor="${anchor}"${weight}>${escaped(content)}</text>`
}

export function rect(x: number, y: number, width: number, height: number, fill: string): string {
  const radius = Math.min(3, width / 2)
  return `<rect x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}" rx="${number(radius)}" fill="${fill}"/>`
}

export function line(from: readonly [number, number], to: readonly [number, number], stroke: string): string {
  const [x1, y1, x2, y2] = [...from, ...to].map(number)
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${stroke}"/>`
}

export function polyline(points: readonly (readonly [number, number])[], stroke: string, width: number): string {
  const path = points.map(([x, y]) => `${number(x)},${number(y)}`).join(' ')
  return `<polyline points="${path}" fill="none" stroke="${stroke}" stroke-width="${width}" stroke-linejoin="round"/>`
}

export function circle(x: number, y: number, radius: number, fill: string): string {
  return `<circle cx="${number(x)}" cy="${number(y)}" r="${radius}" fill="${fill}"/>`
}

/** A part of a picture: draws itself into a width, from its own origin. */
export interface Panel {
  readonly height: number
  draw(width: number): string
}

const pictureWidth = 960
const margin = 32
const gap = 40
const footerLine = 16

/** A titled picture with its panels in so many columns and the conditions below. */
export function picture(options: {
  readonly title: string
  readonly subtitle: string
  readonly panels: readonly Panel[]
  readonly columns: number
  readonly footer: readonly string[]
}): string {
  const { title, subtitle, panels, columns, footer } = options
  const width = (pictureWidth - 2 * margin - (columns - 1) * gap) / columns
  let y = 96
  const drawn: string[] = []
  for (let first = 0; first < panels.length; first += columns) {
    const row = panels.slice(first, first + columns)
    for (const [column, panel] of row.entries()) {
      const x = margin + column * (width + gap)
      drawn.push(`<g transform="translate(${number(x)} ${number(y)})">`, panel.draw(width), '</g>')
    }
    y += Math.max(...row.map(({ height }) => height)) + 28
  }
  const height = y + footer.length * footerLine + margin / 2
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${pictureWidth}" height="${height}" viewBox="0 0 ${pictureWidth} ${height}" font-family="DejaVu Sans, Verdana, sans-serif">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${pictureWidth}" height="${height}" fill="${ink.ground}"/>`,
    text(margin, 46, title, { size: 22, fill: ink.title, bold: true }),
    text(margin, 68, subtitle, { size: 13, fill: ink.faint }),
    ...drawn,
    line([margin, y - 8], [pictureWidth - margin, y - 8], ink.grid),
    ...footer.map((words, i) => text(margin, y + 12 + i * footerLine, words, { size: 11, fill: ink.faint })),
    '</svg>\n',
  ].join('\n')
}

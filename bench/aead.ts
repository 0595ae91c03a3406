// `npm run bench -- aead`: nanoseconds a message of podwire-aead beside the libraries, as bench/aead (Rust) measures them: the
// least of many repetitions each, so that a busy machine matters little. Two seconds, after a build of some minutes.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { root } from './device/programs.ts'
import { type Machine, machine } from './machine.ts'

/** What it prints. */
interface Measured {
  /** What podwire's batches run on: "avx512" or "ring". */
  readonly podwire: string
  readonly rows: readonly {
    readonly library: string
    readonly bytes: number
    /** Messages of one call, or of as many calls where a library takes one at a time. */
    readonly batch: number
    readonly sealNs: number
    readonly openNs: number
  }[]
}

interface AeadResult extends Measured {
  readonly conditions: Machine & {
    readonly rust: string
    /** Of the libraries, by name. */
    readonly versions: Readonly<Record<string, string>>
  }
}

/** The crate that each library of a row is. */
const crates = { podwire: 'podwire-aead', ring: 'ring', 'aws-lc-rs': 'aws-lc-rs', RustCrypto: 'chacha20poly1305' }

export async function benchAead(): Promise<void> {
  const manifest = `${root}bench/aead/Cargo.toml`
  const cargo = ['run', '--quiet', '--release', '--locked', '--manifest-path', manifest, '--', '--json']
  const lock = readFileSync(`${root}bench/aead/Cargo.lock`, 'utf8')
  const result: AeadResult = {
    conditions: {
      ...machine(),
      rust: run('rustc', '--version').split(' ')[1] ?? 'unknown',
      versions: Object.fromEntries(Object.entries(crates).map(([name, crate]) => [name, lockedVersion(lock, crate)])),
    },
    ...(JSON.parse(run('cargo', ...cargo)) as Measured),
  }
  const report = formatAead(result)
  console.log(report)
  const folder = `${root}bench/results`
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/aead.json`, `${JSON.stringify(result, null, 2)}\n`)
  writeFileSync(`${folder}/aead.md`, report)
  console.error(`wrote ${relative(process.cwd(), folder)}/aead.json and aead.md`)
}

function run(command: string, ...args: string[]): string {
  const { status, stdout, error } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  if (error) throw error
  if (status !== 0) throw new Error(`${command} ended with status ${status}`)
  return stdout
}

function lockedVersion(lock: string, crate: string): string {
  return new RegExp(`name = "${crate}"\nversion = "(.*)"`).exec(lock)?.[1] ?? 'unknown'
}

/** A row for each length and batch; a column for each library, to seal and to open. */
export function formatAead({ conditions, podwire, rows }: AeadResult): string {
  const libraries = [...new Set(rows.map(({ library }) => library))]
  const head = ['bytes', 'batch', ...libraries.map(name => `${name}, seal`), ...libraries.map(name => `${name}, open`)]
  const shapes = [...new Map(rows.map(({ bytes, batch }) => [`${bytes} ${batch}`, { bytes, batch }])).values()]
  const lines = shapes.map(({ bytes, batch }) => {
    const of = (key: 'sealNs' | 'openNs') =>
      libraries.map(library => {
        const row = rows.find(row => row.library === library && row.bytes === bytes && row.batch === batch)
        return row === undefined ? '-' : Math.round(row[key]).toLocaleString('en-US')
      })
    return [bytes.toLocaleString('en-US'), `${batch}`, ...of('sealNs'), ...of('openNs')]
  })
  const table = [head, head.map(() => '---:'), ...lines].map(cells => `| ${cells.join(' | ')} |`).join('\n')
  const { date, kernel, cpu, rust, versions } = conditions
  const names = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return `${table}

Nanoseconds a message, in place, without associated data; the least of many repetitions, one core, on ${date}:
Linux ${kernel}, ${cpu}, Rust ${rust}; ${names.join(', ')}. podwire
takes a batch in one call, here with ${podwire}; one message alone it leaves to ring.
`
}

// Who may import whom: the one table, and the check of a source tree against it. layers.test.ts runs the check;
// the table in ARCHITECTURE.md is made from it (scripts/docs.mjs).

import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, posix } from 'node:path'

interface Layer {
  readonly rank: number
  /** Folders of src/, or files directly in it. */
  readonly folders: readonly string[]
  /** In words, for ARCHITECTURE.md. */
  readonly may: string
  readonly why: string
  /** Folders of lower or equal rank that may be imported; absent: all of a lower rank. */
  readonly only?: readonly string[]
  /** Folders of the same rank that a folder may import. */
  readonly also?: Readonly<Record<string, readonly string[]>>
  /** Modules that would give effects to what is pure. */
  readonly forbidden?: readonly string[]
}

const effects = ['fs', 'fs/promises', 'child_process', 'net', 'dgram', 'http', 'https', 'tls', 'worker_threads']

export const layers: readonly Layer[] = [
  { rank: 0, folders: ['base'], may: 'node: only', why: 'everything may use it, so it uses nothing' },
  { rank: 1, folders: ['model', 'native'], may: 'base', only: ['base'], why: 'plain data; the one door to the addon' },
  {
    rank: 2,
    folders: ['wireguard', 'system'],
    may: '0-1',
    why: 'the protocol and the kernel know nothing of networks of nodes',
  },
  {
    rank: 3,
    folders: ['config', 'plan', 'policy'],
    may: 'base, model, one another; nothing with effects',
    only: ['base', 'model', 'config', 'plan', 'policy'],
    forbidden: effects,
    why: 'pure, so that every rule of the network is tested as a table of inputs and outputs',
  },
  {
    rank: 4,
    folders: ['kubernetes', 'store'],
    may: '0-3; store may use kubernetes',
    also: { store: ['kubernetes'] },
    why: 'where records live',
  },
  {
    rank: 5,
    folders: ['server', 'agent', 'cni', 'lab', 'quick'],
    may: '0-4, not one another',
    why: 'each is a program of its own; the command line joins them',
  },
  { rank: 6, folders: ['dashboard', 'demo'], may: '0-5', why: 'they show what the programs do' },
  { rank: 7, folders: ['cli', 'index.ts'], may: 'all', why: 'the only places that print, exit, or are public' },
]

interface Import {
  readonly file: string
  readonly specifier: string
}

/** Every import of every file below `src`, type imports and dynamic ones included. */
export function importsOf(src: string): Import[] {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'))
  return files.flatMap(file => {
    const text = readFileSync(join(src, file), 'utf8')
    const specifiers = text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)
    return [...specifiers].map(([, specifier = '']) => ({ file: file.replaceAll('\\', '/'), specifier }))
  })
}

/** Why an import is not allowed; undefined if it is. */
export function violationOf({ file, specifier }: Import): string | undefined {
  const folder = file.split('/')[0] ?? ''
  const layer = layers.find(({ folders }) => folders.includes(folder))
  if (layer === undefined) return `${folder} is in no layer`
  if (!specifier.startsWith('.')) {
    const module = specifier.replace(/^node:/, '')
    if (!builtinModules.includes(module)) return layer.rank === 0 ? 'base uses node: modules only' : undefined
    return layer.forbidden?.includes(module) ? `${folder} is pure: ${layer.why}` : undefined
  }
  const target = posix.join(posix.dirname(file), specifier).split('/')[0] ?? ''
  const targetLayer = layers.find(({ folders }) => folders.includes(target))
  if (targetLayer === undefined) return `${target} is in no layer`
  const same = layer.only?.includes(folder) ? layer.folders : [folder, ...(layer.also?.[folder] ?? [])]
  if (same.includes(target)) return undefined
  const below = targetLayer.rank < layer.rank && (layer.only?.includes(target) ?? true)
  if (layer.rank === 7 || below) return undefined
  return `${folder} (rank ${layer.rank}) may import ${layer.may}; ${target} has rank ${targetLayer.rank}: ${layer.why}`
}

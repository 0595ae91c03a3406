// Reads a kubeconfig, as kubectl does: context --> cluster and user. What a user there can be: a token, a file with one, a
// client certificate, or a program that prints either. What would weaken the check of the server is refused, not ignored.

import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { podwireError, reasonOf } from '../base/errors.ts'
import type { Cluster, Credentials } from './cluster.ts'
import { type ExecPlugin, execCredentials } from './exec-credentials.ts'

/** An object of the file; fields that are absent or of another type read as undefined. */
class Section {
  readonly #value: Record<string, unknown>

  constructor(value: unknown) {
    this.#value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  }

  text(key: string): string | undefined {
    const value = this.#value[key]
    return typeof value === 'string' && value !== '' ? value : undefined
  }

  has(key: string): boolean {
    const value = this.#value[key]
    return value !== undefined && value !== null && value !== false && value !== ''
  }

  section(key: string): Section {
    return new Section(this.#value[key])
  }

  items(key: string): Section[] {
    const value = this.#value[key]
    return Array.isArray(value) ? value.map(item => new Section(item)) : []
  }

  texts(key: string): string[] {
    const value = this.#value[key]
    return Array.isArray(value) ? value.map(String) : []
  }
}

/** What a kubeconfig says of a context, or of its current one. Error: ERR_PODWIRE_KUBECONFIG. */
export async function readKubeconfig(file: string, contextName?: string): Promise<Cluster> {
  const fail = (reason: string, cause?: unknown) =>
    podwireError('ERR_PODWIRE_KUBECONFIG', { where: file, reason }, cause)
  const config = await readYaml(file, fail)
  const named = (list: string, name: string, key: string) => {
    const found = config.items(list).find(item => item.text('name') === name)
    if (found !== undefined) return found.section(key)
    const names = config.items(list).flatMap(item => item.text('name') ?? [])
    throw fail(`there is no ${key} "${name}"; there are ${names.join(', ') || 'none'}`)
  }
  const name = contextName ?? config.text('current-context')
  if (name === undefined) throw fail('it has no current-context: name one, as kubernetes:CONTEXT')
  const context = named('contexts', name, 'context')
  const cluster = named('clusters', context.text('cluster') ?? '', 'cluster')
  const user = named('users', context.text('user') ?? '', 'user')

  const server = cluster.text('server') ?? ''
  if (!/^https:\/\/[^/?#]+\/?$/.test(server)) throw fail(`its server "${server}" is not https://HOST:PORT`)
  for (const key of ['insecure-skip-tls-verify', 'proxy-url']) {
    if (cluster.has(key)) throw fail(`podwire does not take a cluster with ${key}`)
  }
  // NAME-data holds what the file NAME would: base64. Relative files lie beside the kubeconfig.
  const content = async (section: Section, key: string) => {
    const data = section.text(`${key}-data`)
    if (data !== undefined) return Buffer.from(data, 'base64').toString()
    const path = section.text(key)
    return path === undefined ? undefined : readFile(resolve(dirname(file), path), 'utf8')
  }
  try {
    const ca = await content(cluster, 'certificate-authority')
    const serverName = cluster.text('tls-server-name')
    return {
      server: server.replace(/\/$/, ''),
      ...(ca !== undefined && { ca }),
      ...(serverName !== undefined && { serverName }),
      credentials: await userCredentials(user, { file, content }),
    }
  } catch (error) {
    throw fail(reasonOf(error), error)
  }
}

interface Around {
  readonly file: string
  readonly content: (section: Section, key: string) => Promise<string | undefined>
}

async function userCredentials(user: Section, { file, content }: Around): Promise<Cluster['credentials']> {
  if (user.has('exec')) return execCredentials(parsePlugin(user.section('exec')), dirname(file))
  const tokenFile = user.text('tokenFile')
  if (tokenFile !== undefined) {
    const path = resolve(dirname(file), tokenFile)
    return async () => ({ token: (await readFile(path, 'utf8')).trim() })
  }
  const token = user.text('token')
  if (token !== undefined) return async () => ({ token })
  const [cert, key] = [await content(user, 'client-certificate'), await content(user, 'client-key')]
  if (cert === undefined || key === undefined) {
    throw new Error('its user has no token, tokenFile, client-certificate with client-key, or exec')
  }
  const fixed: Credentials = { cert, key }
  return async () => fixed
}

function parsePlugin(exec: Section): ExecPlugin {
  const command = exec.text('command')
  if (command === undefined) throw new Error('its exec has no command')
  return {
    apiVersion: exec.text('apiVersion') ?? 'client.authentication.k8s.io/v1',
    command: [command, ...exec.texts('args')],
    env: Object.fromEntries(exec.items('env').map(item => [item.text('name') ?? '', item.text('value') ?? ''])),
  }
}

async function readYaml(file: string, fail: (reason: string, cause?: unknown) => Error): Promise<Section> {
  const { parse } = await import('yaml')
  try {
    return new Section(parse(await readFile(file, 'utf8')))
  } catch (error) {
    // The parser's message quotes the line, which may hold a token: the place is enough.
    const place = (error as { linePos?: { line: number }[] }).linePos?.[0]
    throw fail(place === undefined ? reasonOf(error) : `line ${place.line} is not YAML`, error)
  }
}

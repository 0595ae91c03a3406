// A program that prints who we are (client.authentication.k8s.io): it is run when we have nothing, when that is about to
// expire, and when it was refused.

import { resolve } from 'node:path'
import { exec } from '../base/exec.ts'
import type { Cluster, Credentials } from './cluster.ts'

export interface ExecPlugin {
  readonly apiVersion: string
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
}

const timeLimitMs = 60_000
/** Before it expires. */
const spareMs = 30_000

/** `folder` is that of the kubeconfig: a command with a slash is looked for from there. */
export function execCredentials(plugin: ExecPlugin, folder: string): Cluster['credentials'] {
  let held: { readonly credentials: Credentials; readonly untilMs: number } | undefined
  let running: Promise<Credentials> | undefined
  return async (refused = false) => {
    if (!refused && held !== undefined && Date.now() < held.untilMs - spareMs) return held.credentials
    // Four watches ask at once: it is run once.
    running ??= runPlugin(plugin, folder)
      .then(found => {
        held = found
        return found.credentials
      })
      .finally(() => {
        running = undefined
      })
    return running
  }
}

async function runPlugin({ apiVersion, command: [program, ...args], env }: ExecPlugin, folder: string) {
  const asked = { apiVersion, kind: 'ExecCredential', spec: { interactive: false } }
  const { stdout } = await exec([program.includes('/') ? resolve(folder, program) : program, ...args], {
    timeout: timeLimitMs,
    env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: JSON.stringify(asked) },
  })
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = parseStatus(stdout, program)
  if (token === undefined && (cert === undefined || key === undefined)) {
    throw new Error(`${program} printed neither a token nor a certificate with its key`)
  }
  const untilMs = expirationTimestamp === undefined ? Number.POSITIVE_INFINITY : Date.parse(expirationTimestamp)
  const credentials = { ...(token && { token }), ...(cert && key && { cert, key }) }
  return { credentials, untilMs }
}

type Status = Partial<Record<'token' | 'clientCertificateData' | 'clientKeyData' | 'expirationTimestamp', string>>

/** What it printed is a secret: no part of it is in the error. */
function parseStatus(text: string, program: string): Status {
  let status: unknown
  try {
    status = (JSON.parse(text) as { status?: unknown }).status
  } catch {}
  if (typeof status === 'object' && status !== null) return status as Status
  throw new Error(`${program} did not print an ExecCredential with a status`)
}

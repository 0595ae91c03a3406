// Which API server to talk to, and as whom: from a kubeconfig, or from the pod that this runs in. What changes while we run
// (a token that is rotated, a plugin's certificate) is asked for again, so `credentials` is a function.

import { readFile } from 'node:fs/promises'
import { podwireError } from '../base/errors.ts'

/** Who we are to the API server: a bearer token, or a client certificate with its key (PEM). */
export interface Credentials {
  readonly token?: string
  readonly cert?: string
  readonly key?: string
}

export interface Cluster {
  /** https://HOST:PORT */
  readonly server: string
  /** Certificates (PEM) that the server is checked against; absent: those of the system. */
  readonly ca?: string
  /** The name in the server's certificate, where it is not the host's. */
  readonly serverName?: string
  /** Asked before each request. `refused`: what it gave last was refused (401). */
  credentials(refused?: boolean): Promise<Credentials>
}

const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

/** The cluster of the pod that this runs in, as its service account. Error: ERR_PODWIRE_KUBECONFIG. */
export async function clusterOfPod(env: NodeJS.ProcessEnv = process.env, folder = accountFolder): Promise<Cluster> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env
  const fail = (reason: string, cause?: unknown) =>
    podwireError('ERR_PODWIRE_KUBECONFIG', { where: 'the service account of this pod', reason }, cause)
  if (!host) throw fail('this is no pod: KUBERNETES_SERVICE_HOST is not set')
  const read = (name: string) =>
    readFile(`${folder}/${name}`, 'utf8').catch((error: Error) => {
      throw fail(error.message, error)
    })
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: await read('ca.crt'),
    // The kubelet replaces it long before it expires.
    credentials: async () => ({ token: (await read('token')).trim() }),
  }
}

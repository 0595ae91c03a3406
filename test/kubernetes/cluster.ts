// A real Kubernetes for a test, without nodes: etcd, kube-apiserver and, when asked for, kube-controller-manager. It runs in the
// network and process namespaces that scripts/test-kubernetes.mjs makes, so that its ports are its own and nothing outlives it.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exec } from '../../src/base/exec.ts'
import { KubernetesClient } from '../../src/kubernetes/client.ts'
import { readKubeconfig } from '../../src/kubernetes/kubeconfig.ts'
import type { ListPage } from '../../src/kubernetes/resource.ts'
import { until } from '../lab/until.ts'

const hyperkube = process.env.PODWIRE_HYPERKUBE ?? ''
const port = 6443
const group = '/apis/podwire.dev/v1alpha1'
/** The kinds of podwire's objects. */
export const kinds = ['podwirenetworks', 'podwirenodes', 'podwireclaims', 'podwireremovals']
/** Of the built test/kubernetes. */
const root = fileURLToPath(new URL('../../..', import.meta.url))
const manifests = ['crd', 'rbac', 'admission'].map(name => join(root, `deploy/kubernetes/${name}.yaml`))

export interface KubernetesCluster extends AsyncDisposable {
  /** Of an administrator, by a client certificate. */
  readonly kubeconfig: string
  readonly folder: string
  /** The apiserver forgets what it remembers of changes, and etcd too. */
  forgetHistory(): Promise<void>
  startControllerManager(): Promise<void>
  kubectl(...args: string[]): Promise<string>
  /** As kubectl apply of these objects, quicker. */
  create(path: string, body: object): Promise<unknown>
  /** A kubeconfig by a token, through a port of its own if one is named. */
  kubeconfigOf(name: string, access: { token?: string; port?: number }): Promise<string>
}

export async function startCluster(): Promise<KubernetesCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'podwire-kubernetes-'))
  const processes: ChildProcess[] = []
  const start = (name: string, command: readonly [string, ...string[]]) => {
    const log = openSync(join(folder, `${name}.log`), 'a')
    const child = spawn(command[0], command.slice(1), { stdio: ['ignore', log, log] })
    processes.push(child)
    return child
  }
  const stop = async (child: ChildProcess) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  const close = async () => {
    for (const child of processes) await stop(child)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await makeCertificates(folder)
    start('etcd', [hyperkube, 'etcd', '--data-dir', join(folder, 'etcd'), '--unsafe-no-fsync', '--log-level', 'error'])
    const kubeconfig = join(folder, 'admin.kubeconfig')
    await writeKubeconfig(kubeconfig, folder, { port })
    const client = new KubernetesClient(await readKubeconfig(kubeconfig))
    const startApiserver = () => start('apiserver', [hyperkube, 'kube-apiserver', ...apiserverFlags(folder)])
    const ready = () =>
      until(
        'kube-apiserver is ready',
        () =>
          client.request({ method: 'GET', path: '/apis/podwire.dev' }).then(
            () => true,
            error => (error as { status?: number }).status === 404,
          ),
        60,
      )
    let apiserver = startApiserver()
    const kubectl = async (...args: string[]) =>
      (await exec([hyperkube, 'kubectl', '--kubeconfig', kubeconfig, ...args])).stdout
    await ready()
    await until(
      'its own objects are made',
      () => kubectl('get', 'clusterrole', 'cluster-admin').then(Boolean, () => false),
      60,
    )
    await kubectl('apply', ...manifests.flatMap(file => ['-f', file]))
    await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s')
    return {
      kubeconfig,
      folder,
      kubectl,
      create: (path, body) => client.request({ method: 'POST', path, body }),
      async forgetHistory() {
        // The revision as of any answer is that of etcd.
        const { metadata } = (await client.request({ method: 'GET', path: `${group}/podwirenodes` })) as ListPage
        const body = JSON.stringify({ revision: metadata.resourceVersion, physical: true })
        const answer = await fetch('http://127.0.0.1:2379/v3/kv/compaction', { method: 'POST', body })
        assert.ok(answer.ok, `compacting etcd: ${answer.status}`)
        await stop(apiserver)
        apiserver = startApiserver()
        await ready()
        for (const kind of kinds) {
          const served = () => succeeds(client.request({ method: 'GET', path: `${group}/${kind}` }))
          await until(`${kind} are served`, served, 60)
        }
      },
      async startControllerManager() {
        const flags = [
          '--allocate-node-cidrs',
          '--cluster-cidr=10.99.0.0/16',
          '--service-cluster-ip-range=10.96.0.0/16',
        ]
        start('controller-manager', [
          ...[hyperkube, 'kube-controller-manager', '--kubeconfig', kubeconfig, '--leader-elect=false', ...flags],
          ...[
            '--controllers=garbage-collector-controller,node-ipam-controller,serviceaccount-controller',
            '--secure-port=0',
          ],
        ] as [string, ...string[]])
      },
      async kubeconfigOf(name, access) {
        const file = join(folder, `${name}.kubeconfig`)
        await writeKubeconfig(file, folder, { port, ...access })
        return file
      },
      async [Symbol.asyncDispose]() {
        client.close()
        await close()
      },
    }
  } catch (error) {
    for (const name of ['etcd', 'apiserver']) {
      console.error(`${name}: ${readFileSync(join(folder, `${name}.log`), 'utf8').slice(-3000)}`)
    }
    await close()
    throw error
  }
}

const succeeds = (work: Promise<unknown>) =>
  work.then(
    () => true,
    () => false,
  )

function apiserverFlags(folder: string): string[] {
  const account = join(folder, 'account')
  return [
    ...['--etcd-servers=http://127.0.0.1:2379', '--etcd-compaction-interval=0', `--secure-port=${port}`],
    ...['--bind-address=127.0.0.1', '--advertise-address=192.0.2.1', '--service-cluster-ip-range=10.96.0.0/16'],
    ...[`--tls-cert-file=${folder}/server.crt`, `--tls-private-key-file=${folder}/server.key`],
    ...[`--client-ca-file=${folder}/ca.crt`, '--authorization-mode=Node,RBAC', '--service-account-issuer=https://lab'],
    ...[`--service-account-key-file=${account}.key`, `--service-account-signing-key-file=${account}.key`],
  ]
}

/** An authority, the server's certificate, an administrator's, and the key that signs service accounts' tokens. */
async function makeCertificates(folder: string): Promise<void> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(join(folder, 'account.key'), privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 })
  const openssl = (...args: string[]) => exec(['openssl', ...args])
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const ca = ['-CA', join(folder, 'ca.crt'), '-CAkey', join(folder, 'ca.key')]
  const out = (name: string) => ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)]
  await openssl('req', '-x509', ...key, '-subj', '/CN=lab', '-days', '2', ...out('ca'))
  for (const [name, subject, extension] of [
    ['server', '/CN=kube-apiserver', 'subjectAltName=DNS:kubernetes.lab'],
    ['admin', '/CN=admin/O=system:masters', 'extendedKeyUsage=clientAuth'],
  ] as const) {
    await openssl('req', '-x509', ...ca, ...key, '-subj', subject, '-addext', extension, '-days', '2', ...out(name))
  }
}

async function writeKubeconfig(file: string, folder: string, access: { token?: string; port: number }): Promise<void> {
  const user =
    access.token === undefined
      ? { 'client-certificate': 'admin.crt', 'client-key': 'admin.key' }
      : { token: access.token }
  const cluster = {
    server: `https://127.0.0.1:${access.port}`,
    'certificate-authority': join(folder, 'ca.crt'),
    'tls-server-name': 'kubernetes.lab',
  }
  await mkdir(folder, { recursive: true })
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'lab',
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'lab' } }],
    clusters: [{ name: 'lab', cluster }],
    users: [{ name: 'lab', user }],
  }
  await writeFile(file, JSON.stringify(config), { mode: 0o600 }) // JSON is YAML
}

/** A way to the API server that can be cut. */
export async function startProxy(): Promise<{ port: number; cut(): void; mend(): void; close(): void }> {
  const sockets = new Set<Socket>()
  let isCut = false
  const server = createServer(near => {
    if (isCut) return near.destroy()
    const far = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
    return undefined
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    isCut = true
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as { port: number }).port,
    cut,
    mend: () => {
      isCut = false
    },
    close: () => {
      cut()
      server.close()
    },
  }
}

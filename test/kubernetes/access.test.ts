// Who may write what: each case is tried with a real token against the real rules of deploy/kubernetes.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { KubernetesClient } from '../../src/kubernetes/client.ts'
import { readKubeconfig } from '../../src/kubernetes/kubeconfig.ts'
import type { KubeObject } from '../../src/kubernetes/resource.ts'
import { claimName, claimObject, nodeObject, removalObject } from '../../src/store/kubernetes-objects.ts'
import { publishPodCidrs } from '../../src/store/kubernetes-publisher.ts'
import { keyStem } from '../../src/store/stem.ts'
import { openStore } from '../../src/store/store.ts'
import { until } from '../lab/until.ts'
import { testNetwork, testRecord } from '../unit/store/conformance.ts'
import { type KubernetesCluster, startCluster } from './cluster.ts'

type Who = 'agent on a' | 'agent on b' | 'agent without node' | 'host h' | 'publisher' | 'stranger' | 'administrator'

let cluster: KubernetesCluster
const files = {} as Record<Who, string>
const clients = {} as Record<Who, KubernetesClient>
/** Of the cluster, as they are after each got its podCIDRs. */
const nodes = {} as Record<'a' | 'b', KubeObject & { spec: { podCIDRs: string[] } }>

const ending = new AbortController()
let published: Promise<unknown> = Promise.resolve()
let command: ChildProcess | undefined
const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const problems: string[] = []

const group = '/apis/podwire.dev/v1alpha1'
const account = (namespace: string, name: string) => `/api/v1/namespaces/${namespace}/serviceaccounts/${name}`

async function tokenOf(path: string, boundObjectRef?: object): Promise<string> {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { boundObjectRef } }
  return ((await cluster.create(`${path}/token`, body)) as { status: { token: string } }).status.token
}

/** The token of a pod that runs on a node. */
async function podToken(node: string): Promise<string> {
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: `agent-${node}` } }
  const containers = [{ name: 'agent', image: 'podwire' }]
  const spec = { nodeName: node, serviceAccountName: 'podwire-agent', containers }
  const made = (await cluster.create('/api/v1/namespaces/podwire/pods', { ...pod, spec })) as KubeObject
  const { name, uid } = made.metadata
  return tokenOf(account('podwire', 'podwire-agent'), { apiVersion: 'v1', kind: 'Pod', name, uid })
}

async function addMember(who: Who, token: string): Promise<void> {
  files[who] = await cluster.kubeconfigOf(who.replaceAll(' ', '-'), { token })
  clients[who] = new KubernetesClient(await readKubeconfig(files[who]))
}

/** Undefined if it was done, else what the API server said. */
async function refusal(who: Who, method: 'POST' | 'PUT' | 'DELETE', path: string, body?: object) {
  return clients[who].request({ method, path: `${group}/${path}`, body }).then(
    () => undefined,
    (error: Error) => error.message,
  )
}

before(async () => {
  cluster = await startCluster()
  files.administrator = cluster.kubeconfig
  clients.administrator = new KubernetesClient(await readKubeconfig(cluster.kubeconfig))
  await cluster.startControllerManager()
  for (const name of ['a', 'b'] as const) {
    await cluster.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name } })
    await until(
      `Node ${name} has podCIDRs`,
      async () => {
        const path = `/api/v1/nodes/${name}`
        nodes[name] = (await clients.administrator.request({ method: 'GET', path })) as (typeof nodes)['a']
        return (nodes[name].spec.podCIDRs?.length ?? 0) > 0
      },
      60,
    )
    await addMember(`agent on ${name}`, await podToken(name))
  }
  await addMember('publisher', await tokenOf(account('podwire', 'podwire-publisher')))
  await addMember('agent without node', await tokenOf(account('podwire', 'podwire-agent')))
  for (const [who, namespace, name] of [
    ['host h', 'podwire-hosts', 'h'],
    ['stranger', 'default', 'stranger'],
  ] as const) {
    const body = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } }
    await cluster.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, body)
    await addMember(who, await tokenOf(account(namespace, name)))
  }
  const admin = await openStore('kubernetes:', { kubeconfigFile: cluster.kubeconfig })
  await admin.createNetwork(testNetwork)
  await admin.close()
  // The rules are in force a moment after they are applied.
  await refusal('administrator', 'POST', 'podwirenodes', nodeObject(testRecord('probe')))
  const probes: [Who, string, object, string][] = [
    ['agent without node', 'podwirenodes', nodeObject(testRecord('x')), 'bound to no node'],
    ['host h', 'podwireclaims', claimOf('h', '10.99.128.0/17', Date.now()), 'claims a /24'],
    ['agent on a', 'podwireremovals', removalOf('a', 'probe'), 'that of node probe'],
  ]
  for (const [who, plural, body, said] of probes) {
    const denied = async () => (await refusal(who, 'POST', `${plural}?dryRun=All`, body))?.includes(said) === true
    await until(`${plural}: the rules are in force`, denied, 60)
  }
  await refusal('administrator', 'DELETE', 'podwirenodes/probe')
  // As a user runs it. Another joins it later.
  command = spawn(process.execPath, [main, 'publisher', '--kubeconfig', files.publisher], { stdio: 'ignore' })
})

after(async () => {
  try {
    ending.abort()
    await published
    assert.equal(command?.exitCode, null)
    const ended = once(command, 'exit')
    command.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
  } finally {
    for (const client of Object.values(clients)) client.close()
    await cluster[Symbol.asyncDispose]()
  }
})

const ownerOf = (name: 'a' | 'b') => ({ apiVersion: 'v1', kind: 'Node', name, uid: nodes[name].metadata.uid ?? '' })
const bornMs = (name: 'a' | 'b') => Date.parse(nodes[name].metadata.creationTimestamp ?? '')
const claimOf = (node: string, prefix: string, sinceMs: number) => claimObject({ prefix, node, sinceMs })
const removalOf = (node: string, keyOf: string) =>
  removalObject({ node, publicKey: testRecord(keyOf).publicKey, sinceMs: Date.now() })
const prefixOf = (name: 'a' | 'b') => nodes[name].spec.podCIDRs[0] ?? ''

test('kubernetes: a node of the cluster gets its podCIDRs and writes its record, a host claims from the range', async () => {
  for (const [who, name, assigned] of [
    ['agent on a', 'a', [prefixOf('a')]],
    ['agent on b', 'b', [prefixOf('b')]],
    ['host h', 'h', undefined],
  ] as const) {
    const store = await openStore('kubernetes:', { kubeconfigFile: files[who] })
    assert.deepEqual(await store.assignedPrefixes?.(name), assigned)
    const prefixes = assigned ?? ['10.99.200.0/24']
    if (!assigned) assert.equal(await store.claim({ prefix: '10.99.200.0/24', node: name, sinceMs: Date.now() }), true)
    const record = testRecord(name, { prefixes })
    await store.writeNode(record)
    await store.writeNode({ ...record, endpoints: ['192.0.2.9:1'] })
    assert.deepEqual((await store.readNode(name))?.endpoints, ['192.0.2.9:1'])
    assert.deepEqual(await store.assignedPrefixes?.(name), assigned) // again: it has them
    await store.close()
  }
})

test('kubernetes: two publishers do not disturb one another', async () => {
  const publisher = await readKubeconfig(files.publisher)
  const telling = { onPublished: () => {}, onProblem: (reason: string) => problems.push(reason) }
  published = publishPodCidrs(publisher, telling, ending.signal)
  for (const name of ['c', 'd']) {
    await cluster.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name } })
  }
  const store = await openStore('kubernetes:', { kubeconfigFile: cluster.kubeconfig })
  const claimed = async () => (await store.listClaims()).map(({ node }) => node).sort()
  await until('both have a claim', async () => (await claimed()).join() === 'a,b,c,d,h', 60)
  await store.close()
})

test('kubernetes: what is not its own a member cannot write', async () => {
  const owned = (name: 'a' | 'b') => ({ ownerReferences: [ownerOf(name)] })
  const free = '10.99.99.0/24'
  const cases: [Who, 'POST' | 'PUT' | 'DELETE', string, object | undefined, RegExp][] = [
    // Records
    ['agent without node', 'POST', 'podwirenodes', nodeObject(testRecord('x')), /bound to no node/],
    ['agent on a', 'POST', 'podwirenodes', nodeObject(testRecord('x'), owned('a')), /is node a/],
    ['agent on a', 'POST', 'podwirenodes', nodeObject(testRecord('a')), /owned by the Node of that name/],
    ['agent on a', 'DELETE', 'podwirenodes/b', undefined, /this is of node b, and .* is node a/],
    ['agent without node', 'DELETE', 'podwirenodes/a', undefined, /bound to no node/],
    ['host h', 'DELETE', 'podwirenodes/a', undefined, /is node h/],
    ['host h', 'POST', 'podwirenodes', nodeObject(testRecord('h2')), /is node h/],
    ['host h', 'POST', 'podwirenodes', nodeObject(testRecord('h'), owned('a')), /by nothing/],
    ['stranger', 'POST', 'podwirenodes', nodeObject(testRecord('x')), /cannot create resource "podwirenodes"/],
    ['host h', 'POST', 'podwirenodes', nodeObject(testRecord('h'), { finalizers: ['example.com/x'] }), /being deleted/],
    // Claims
    ['agent on a', 'POST', 'podwireclaims', claimOf('a', free, bornMs('a')), /claims nothing; podwire publisher/],
    ['agent on a', 'POST', 'podwireclaims', claimOf('b', free, bornMs('b')), /this is of node b/],
    ['agent without node', 'POST', 'podwireclaims', claimOf('a', free, bornMs('a')), /bound to no node/],
    ['agent on a', 'PUT', `podwireclaims/${claimName(prefixOf('a'))}`, claimOf('a', free, 1), /cannot update resource/],
    ['agent on a', 'DELETE', `podwireclaims/${claimName(prefixOf('b'))}`, undefined, /this is of node b/],
    ['host h', 'POST', 'podwireclaims', claimOf('h', prefixOf('b'), Date.now()), /already exists/],
    ['host h', 'POST', 'podwireclaims', claimOf('h', '10.99.128.0/17', Date.now()), /claims a \/24/],
    ['host h', 'POST', 'podwireclaims', claimOf('h', free, 1), /5 minutes from the server's time/],
    ['host h', 'POST', 'podwireclaims', claimOf('a', free, Date.now()), /this is of node a/],
    ['publisher', 'DELETE', `podwireclaims/${claimName(prefixOf('b'))}`, undefined, /cannot delete resource/],
    ['publisher', 'POST', 'podwirenodes', nodeObject(testRecord('x')), /cannot create resource/],
    // Removals, and the network
    ['agent on a', 'POST', 'podwireremovals', removalOf('a', 'b'), /this key is that of node b/],
    ['agent on a', 'POST', 'podwireremovals', removalOf('b', 'b'), /this is of node b/],
    ['host h', 'DELETE', `podwireremovals/${keyStem(testRecord('a').publicKey)}`, undefined, /cannot delete/],
    ['agent on a', 'DELETE', 'podwirenetworks/default', undefined, /cannot delete resource/],
    // The schema
    ['agent on a', 'POST', 'podwirenodes', nodeObject({ ...testRecord('a'), publicKey: 'x' as never }), /publicKey/],
    ['administrator', 'POST', 'podwireclaims', claimOf('a', '10.99.1.0', 1), /prefix is written as/],
  ]
  for (const [who, method, path, body, expected] of cases) {
    const said = await refusal(who, method, path, body)
    assert.match(said ?? 'it was done', expected, `${who}: ${method} ${path}`)
  }
})

test('kubernetes: a stranger reads nothing, a host no Nodes', async () => {
  await assert.rejects(clients.stranger.request({ method: 'GET', path: `${group}/podwirenodes` }), /cannot list/)
  await assert.rejects(clients['host h'].request({ method: 'GET', path: '/api/v1/nodes/a' }), /cannot get/)
})

test('kubernetes: the columns of kubectl get are readable', async () => {
  const text = await cluster.kubectl('get', 'podwirenodes,podwireclaims,podwirenetworks')
  assert.match(text, /NAME +KEY +ENDPOINTS +PREFIXES +AGE/)
  assert.ok(text.includes(`podwirenode.podwire.dev/a   ${testRecord('a').publicKey}   ["192.0.2.9:1"]`), text)
  assert.match(text, /podwireclaim\.podwire\.dev\/10\.99\.200\.0-24 +10\.99\.200\.0\/24 +h /)
})

test('kubernetes: who leaves is gone with its key; what a Node leaves behind goes with it', async () => {
  const store = await openStore('kubernetes:', { kubeconfigFile: files['agent on a'] })
  assert.equal(await store.removeNode('a'), true)
  await assert.rejects(store.writeNode(testRecord('a')), { code: 'ERR_PODWIRE_NODE_REMOVED' })
  await cluster.kubectl('delete', 'node', 'b', '--wait=false')
  await until(
    'record and claim of b are gone',
    async () => {
      const [records, claims] = [await store.listNodes(), await store.listClaims()]
      return !records.some(({ name }) => name === 'b') && !claims.some(({ node }) => node === 'b')
    },
    60,
  )
  assert.deepEqual(
    (await store.listNodes()).map(({ name }) => name),
    ['h'],
  )
  // Its successor of the same name has prefixes again, and nothing was refused to the publisher.
  await cluster.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'b' } })
  await until('the new b has a claim', async () => (await store.listClaims()).some(({ node }) => node === 'b'), 60)
  assert.deepEqual(
    problems.filter(reason => reason.includes('forbidden')),
    [],
  )
  await store.close()
})

// Claims for each node of a cluster the prefixes that its Node has (Node.spec.podCIDRs, which no node can change). It has an
// account of its own, and no other may: so a node cannot claim what is not its own, and no agent has to watch Nodes, whose
// status changes all the time. It keeps nothing, and creating a claim twice is no harm: any number of them may run.
//
//   Nodes ──watch──> wanted ─┐
//   claims ─watch──> held ───┴─> what is wanted and not held ──create──> claims

import { setTimeout as delay } from 'node:timers/promises'
import { reasonOf } from '../base/errors.ts'
import { KubernetesClient } from '../kubernetes/client.ts'
import type { Cluster } from '../kubernetes/cluster.ts'
import { type Following, follow } from '../kubernetes/follow.ts'
import { type KubeObject, Resource } from '../kubernetes/resource.ts'
import { parseName } from '../model/name.ts'
import { apiVersion, claimName, claimObject, podCidrsOf } from './kubernetes-objects.ts'

export interface Published {
  readonly node: string
  readonly prefix: string
}

interface Telling {
  readonly onPublished: (published: Published) => void
  readonly onProblem: (reason: string) => void
}

const atOnce = 16
const retryMs = { least: 500, most: 10_000 }

/** Runs until the signal; a cluster that is away is waited for. */
export async function publishPodCidrs(cluster: Cluster, telling: Telling, signal: AbortSignal): Promise<void> {
  const client = new KubernetesClient(cluster)
  const nodes = new Resource(client, '/api/v1', 'nodes')
  const claims = new Resource(client, `/apis/${apiVersion}`, 'podwireclaims')
  const publisher = new Publisher(claims, telling)
  try {
    await Promise.all([
      follow(nodes, publisher.ofNodes(), signal),
      follow(claims, publisher.ofClaims(), signal),
      publisher.run(signal),
    ])
  } finally {
    client.close()
  }
}

class Publisher {
  readonly #claims: Resource
  readonly #telling: Telling
  /** By the claim's name. */
  readonly #wanted = new Map<string, Published & { readonly object: object; readonly uid: string | undefined }>()
  /** By the claim's name: the Node that owns it, by its uid. */
  readonly #held = new Map<string, string | undefined>()
  /** Names of claims to look at. */
  readonly #asked = new Set<string>()
  readonly #current = { nodes: false, claims: false }
  #wake = () => {}

  constructor(claims: Resource, telling: Telling) {
    this.#claims = claims
    this.#telling = telling
  }

  ofNodes(): Following {
    return {
      ...this.#following('nodes'),
      onWhole: () => this.#wanted.clear(),
      onObject: node => this.#want(node),
      onGone: name => {
        for (const [claim, { node }] of this.#wanted) if (node === name) this.#wanted.delete(claim)
      },
    }
  }

  ofClaims(): Following {
    return {
      ...this.#following('claims'),
      onWhole: () => this.#held.clear(),
      onObject: ({ metadata }) => {
        this.#held.set(metadata.name, metadata.ownerReferences?.[0]?.uid)
        this.#ask(metadata.name)
      },
      onGone: name => {
        this.#held.delete(name)
        this.#ask(name)
      },
    }
  }

  #following(what: 'nodes' | 'claims'): Pick<Following, 'onCurrent' | 'onConnected' | 'onLost'> {
    return {
      onCurrent: () => {
        this.#current[what] = true
        for (const claim of this.#wanted.keys()) this.#ask(claim)
      },
      onConnected: () => {},
      onLost: reason => this.#telling.onProblem(`${what}: ${reason}`),
    }
  }

  #want(node: KubeObject): void {
    const { name, uid = '', creationTimestamp = '' } = node.metadata
    const owners = [{ apiVersion: 'v1', kind: 'Node', name, uid }]
    try {
      for (const prefix of podCidrsOf(node)) {
        const claim = claimName(prefix)
        if (this.#wanted.get(claim)?.uid === uid) continue // a change of its status
        const object = claimObject(
          { prefix, node: parseName(name, 'Node'), sinceMs: Date.parse(creationTimestamp) },
          owners,
        )
        this.#wanted.set(claim, { node: name, prefix, object, uid })
        this.#ask(claim)
      }
    } catch (error) {
      this.#telling.onProblem(`Node ${name}: ${reasonOf(error)}`)
    }
  }

  #ask(claim: string): void {
    this.#asked.add(claim)
    this.#wake()
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#wake())
    let waitMs = retryMs.least
    while (!signal.aborted) {
      const asked = this.#current.nodes && this.#current.claims ? [...this.#asked].slice(0, atOnce) : []
      if (asked.length === 0) {
        await new Promise<void>(resolve => {
          this.#wake = resolve
        })
        continue
      }
      for (const claim of asked) this.#asked.delete(claim)
      const failures = (await Promise.all(asked.map(claim => this.#publish(claim)))).flatMap(reason => reason ?? [])
      if (failures[0] === undefined) {
        waitMs = retryMs.least
      } else {
        // One stands for all.
        this.#telling.onProblem(failures[0])
        await delay(waitMs, undefined, { signal }).catch(() => {})
        waitMs = Math.min(retryMs.most, waitMs * 2)
      }
    }
  }

  /** Why it failed, if it did: it is tried again. */
  async #publish(name: string): Promise<string | undefined> {
    const wanted = this.#wanted.get(name)
    if (wanted === undefined) return undefined
    const { node, prefix, object, uid } = wanted
    try {
      if (this.#held.has(name)) {
        // Of a Node that is gone, its claim goes soon as well, and that is heard.
        if (this.#held.get(name) !== uid) this.#telling.onProblem(`${prefix} of Node ${node} is claimed by another`)
      } else if (await this.#claims.create(object)) {
        this.#telling.onPublished({ node, prefix })
      }
      return undefined
    } catch (error) {
      this.#asked.add(name)
      return `${prefix} of Node ${node}: ${reasonOf(error)}`
    }
  }
}

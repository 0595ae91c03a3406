// Many agents in one process over one store, in a network of their own: all join at once, rest, start again at once, some leave and
// others join, the store goes and comes back. What is measured is when each agent has every other one as a peer.

import { setTimeout as delay } from 'node:timers/promises'
import type { Store } from '../../src/store/store.ts'
import { generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { CrowdAgent, type CrowdNode } from './crowd-agent.ts'
import type { SampleKey } from './figures.ts'
import { until } from './lab.ts'
import type { BenchStore } from './store.ts'

export interface CrowdSettings {
  readonly agents: number
  readonly turns: number
  readonly restSeconds: number
  readonly outageSeconds: number
}

type Take = (key: SampleKey, ...values: number[]) => void

export async function measureCrowd(bench: BenchStore, settings: CrowdSettings, take: Take): Promise<void> {
  const open = await bench.newNetwork('crowd')
  const crowd = new Crowd(open)
  try {
    const nodes = Array.from({ length: settings.agents }, () => crowd.newNode())
    take('crowdJoinMs', ...(await crowd.startAll(nodes)))
    crowd.requireDistinctPrefixes()

    await delay(1_000) // what is on its way
    const writes = await bench.countWrites()
    await delay(settings.restSeconds * 1000)
    take('crowdRestWrites', ((await bench.countWrites()) - writes) / settings.agents / (settings.restSeconds / 60))

    await crowd.stopAll()
    const before = await bench.countWrites()
    take('crowdRestartMs', ...(await crowd.startAll(nodes)))
    take('crowdRestartWrites', (await bench.countWrites()) - before)

    for (let turn = 0; turn < settings.turns; turn++) take('crowdTurnMs', await crowd.turn(turn))

    await bench.goAway()
    await until('all agents have lost the store', () => crowd.agents.every(({ inSync }) => !inSync))
    await delay(settings.outageSeconds * 1000)
    await bench.comeBack()
    const backMs = performance.now()
    await until('all agents are in sync again', () => crowd.agents.every(({ inSync }) => inSync))
    take('crowdBackMs', performance.now() - backMs)
  } finally {
    await crowd.stopAll()
  }
}

class Crowd {
  agents: CrowdAgent[] = []
  #nodes: CrowdNode[] = []
  #made = 0
  readonly #open: () => Promise<Store>

  constructor(open: () => Promise<Store>) {
    this.#open = open
  }

  newNode(): CrowdNode {
    return { name: `c${this.#made++}`, publicKey: publicKeyOf(generatePrivateKey()) }
  }

  /** Starts all at once; how long it took until each had all others, in ms. */
  async startAll(nodes: readonly CrowdNode[]): Promise<number[]> {
    const startMs = performance.now()
    const tookMs = new Map<string, number>()
    const start = async (node: CrowdNode) => {
      const agent = await CrowdAgent.start(await this.#open(), node, () => {
        if (agent?.peers.size === nodes.length - 1) tookMs.set(node.name, performance.now() - startMs)
      })
      return agent
    }
    this.#nodes = [...nodes]
    this.agents = await Promise.all(nodes.map(start))
    await until('all agents know one another', () => tookMs.size === nodes.length)
    return [...tookMs.values()]
  }

  /** One leaves and another joins: how long it took until all others have it, and not the one that left, in ms. */
  async turn(turn: number): Promise<number> {
    const place = turn % this.agents.length
    const [left, gone] = [this.agents[place], this.#nodes[place]]
    if (left === undefined || gone === undefined) throw new Error('nobody is there')
    const node = this.newNode()
    const stores = await Promise.all([this.#open(), this.#open()])
    const startMs = performance.now()
    await left.stop()
    await stores[0].removeNode(gone.name)
    const agent = await CrowdAgent.start(stores[1], node, () => {})
    await stores[0].close()
    this.agents[place] = agent
    this.#nodes[place] = node
    const knows = ({ peers }: CrowdAgent) => peers.has(node.publicKey) && !peers.has(gone.publicKey)
    await until('all know who came', () => this.agents.every(one => one === agent || knows(one)))
    return performance.now() - startMs
  }

  requireDistinctPrefixes(): void {
    const prefixes = this.agents.flatMap(agent => agent.prefixes)
    if (new Set(prefixes).size < prefixes.length) throw new Error('two agents have one prefix')
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.agents.map(agent => agent.stop()))
    this.agents = []
  }
}

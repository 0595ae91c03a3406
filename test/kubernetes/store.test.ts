// The kubernetes form against a real kube-apiserver and etcd.

import { after, before } from 'node:test'
import { openStore, type Store } from '../../src/store/store.ts'
import { type Opened, testStore } from '../unit/store/conformance.ts'
import { type KubernetesCluster, kinds, startCluster, startProxy } from './cluster.ts'

let cluster: KubernetesCluster
before(async () => {
  cluster = await startCluster()
})
after(() => cluster[Symbol.asyncDispose]())

/** An empty store, through a proxy. */
async function open(): Promise<Opened> {
  const stores: Store[] = []
  const openAt = async (kubeconfigFile: string) => {
    const store = await openStore('kubernetes:', { kubeconfigFile })
    stores.push(store)
    return store
  }
  const proxy = await startProxy()
  const store = await openAt(await cluster.kubeconfigOf('proxy', { port: proxy.port }))
  return {
    store,
    reopen: () => openAt(cluster.kubeconfig),
    async outage() {
      proxy.cut()
      return { end: async () => proxy.mend() }
    },
    forgetHistory: () => cluster.forgetHistory(),
    async [Symbol.asyncDispose]() {
      for (const each of stores) await each.close()
      proxy.close()
      await cluster.kubectl('delete', kinds.join(','), '--all')
    },
  }
}

testStore('kubernetes', { open })

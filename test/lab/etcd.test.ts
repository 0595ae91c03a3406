// The etcd form of the store on one real member: what every form must do, and what is etcd's own.

import { after, before } from 'node:test'
import { openStore } from '../../src/store/store.ts'
import { testStore } from '../unit/store/conformance.ts'
import { EtcdCluster, type Member } from './etcd-cluster.ts'

let cluster: EtcdCluster
let count = 0

before(async () => {
  cluster = await EtcdCluster.start()
})

after(() => cluster[Symbol.asyncDispose]())

/** An empty part of the one etcd, with a way to it that can break. */
async function openEmpty() {
  const [member] = cluster.members as [Member]
  const prefix = `/net-${count++}`
  const way = await cluster.newWay(member)
  const store = await openStore(cluster.address(prefix, [way]))
  const others: Awaited<ReturnType<typeof openStore>>[] = []
  return {
    prefix,
    way,
    store,
    async reopen() {
      const other = await openStore(cluster.address(prefix))
      others.push(other)
      return other
    },
    async outage() {
      way.cut()
      return { end: async () => way.open() }
    },
    forgetHistory: () => cluster.compact(),
    async [Symbol.asyncDispose]() {
      for (const one of [store, ...others]) await one.close()
      await way[Symbol.asyncDispose]()
    },
  }
}

testStore('etcd', { open: openEmpty })

// A folder as the store. What the fleet writes comes by rename, as the store itself does it, but unsynced and unchecked: thousands
// of records in a second.

import { type FSWatcher, mkdirSync, readFileSync, renameSync, rmSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from '../../src/lab/lab.ts'
import { formatNetworkConfig } from '../../src/model/network-config.ts'
import { formatClaim, formatNodeRecord, formatRemoval, parseNodeRecord } from '../../src/model/node-record.ts'
import { claimStem, keyStem } from '../../src/store/stem.ts'
import { openStore } from '../../src/store/store.ts'
import { network } from './nodes.ts'
import type { BenchStore } from './store.ts'

const folders = ['nodes', 'claims', 'removals'] as const

export async function startFileStore(lab: Lab): Promise<BenchStore> {
  const root = join(lab.sharedFolder, 'stores')
  const [folder, incoming] = [join(root, 'bench'), join(lab.sharedFolder, 'incoming')]
  for (const path of [root, incoming]) mkdirSync(path)
  let writes = 0
  const watches: FSWatcher[] = []
  /** A file is written by giving it its name, and gone by losing it: one event each. Hidden ones are on their way. */
  const makeNetwork = (at: string) => {
    mkdirSync(at)
    for (const name of folders) {
      mkdirSync(join(at, name))
      const onEvent = (kind: string, file: string | null) => {
        if (kind === 'rename' && file?.endsWith('.json') && !file.startsWith('.')) writes += 1
      }
      watches.push(watch(join(at, name), onEvent))
    }
    writeFileSync(join(at, 'network.json'), formatNetworkConfig(network))
  }
  makeNetwork(folder)
  const place = (path: string, text: string) => {
    const temporary = join(incoming, 'new')
    writeFileSync(temporary, text)
    renameSync(temporary, join(folder, path))
  }
  const claimPath = (prefix: string) => `claims/${claimStem(prefix)}.json`
  return {
    title: 'file',
    flags: ['--store', `file:${folder}`],
    async put(records, claims) {
      for (const claim of claims) place(claimPath(claim.prefix), formatClaim(claim))
      for (const record of records) place(`nodes/${record.name}.json`, formatNodeRecord(record))
    },
    async remove(names) {
      for (const name of names) {
        const file = join(folder, `nodes/${name}.json`)
        const { publicKey, prefixes } = parseNodeRecord(readFileSync(file, 'utf8'), file)
        place(`removals/${keyStem(publicKey)}.json`, formatRemoval({ node: name, publicKey, sinceMs: Date.now() }))
        rmSync(file)
        for (const prefix of prefixes) rmSync(join(folder, claimPath(prefix)), { force: true })
      }
    },
    async newNetwork(name) {
      const at = join(root, name)
      makeNetwork(at)
      return () => openStore(`file:${at}`)
    },
    countWrites: async () => writes,
    goAway: async () => renameSync(root, `${root}.away`),
    comeBack: async () => renameSync(`${root}.away`, root),
    async [Symbol.asyncDispose]() {
      for (const one of watches) one.close()
    },
  }
}

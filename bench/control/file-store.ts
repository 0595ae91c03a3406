// A folder as the store. What the fleet writes comes by rename, as the store itself does it, but unsynced and unchecked: thousands
// of records in a second.

import { type FSWatcher, mkdirSync, readFileSync, renameSync, rmSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeKey } from '../../src/base/key.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { formatNetworkConfig } from '../../src/model/network-config.ts'
import { formatClaim, formatNodeRecord, formatRemoval, parseNodeRecord } from '../../src/model/node-record.ts'
import { network } from './nodes.ts'
import type { BenchStore } from './store.ts'

const folders = ['nodes', 'claims', 'removals'] as const

export async function startFileStore(lab: Lab): Promise<BenchStore> {
  const folder = join(lab.sharedFolder, 'store')
  const incoming = join(lab.sharedFolder, 'incoming')
  for (const path of [folder, incoming, ...folders.map(name => join(folder, name))]) mkdirSync(path)
  writeFileSync(join(folder, 'network.json'), formatNetworkConfig(network))
  let writes = 0
  // A file is written by giving it its name, and gone by losing it: one event each. Hidden ones are on their way.
  const watches: FSWatcher[] = folders.map(name =>
    watch(join(folder, name), (kind, file) => {
      if (kind === 'rename' && file?.endsWith('.json') && !file.startsWith('.')) writes += 1
    }),
  )
  const place = (path: string, text: string) => {
    const temporary = join(incoming, 'new')
    writeFileSync(temporary, text)
    renameSync(temporary, join(folder, path))
  }
  const claimPath = (prefix: string) => `claims/${prefix.replace('/', '_')}.json`
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
        const stem = Buffer.from(decodeKey(publicKey, name)).toString('hex')
        place(`removals/${stem}.json`, formatRemoval({ node: name, publicKey, sinceMs: Date.now() }))
        rmSync(file)
        for (const prefix of prefixes) rmSync(join(folder, claimPath(prefix)), { force: true })
      }
    },
    countWrites: async () => writes,
    goAway: async () => renameSync(folder, `${folder}.away`),
    comeBack: async () => renameSync(`${folder}.away`, folder),
    async [Symbol.asyncDispose]() {
      for (const one of watches) one.close()
    },
  }
}

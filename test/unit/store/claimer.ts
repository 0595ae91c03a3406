// A process that claims prefixes for one node, for the store's tests: prints them, or is killed on the way.

import { claimPrefixes } from '../../../src/agent/claim.ts'
import { openStore } from '../../../src/store/store.ts'

const [address = '', node = ''] = process.argv.slice(2)
const store = await openStore(address)
const network = await store.readNetwork()
console.log(JSON.stringify(await claimPrefixes({ store, network, node })))

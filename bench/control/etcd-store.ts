// An etcd as the store: one member on a host of the lab, over TLS, without fsync, which would measure the disk. The fleet writes
// by transactions of many keys, through a socket in the lab's folder; agents come over the LAN.

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { delimiter, join } from 'node:path'
import { exec } from '../../src/base/exec.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { formatNetworkConfig } from '../../src/model/network-config.ts'
import { formatClaim, formatNodeRecord, formatRemoval, parseNodeRecord } from '../../src/model/node-record.ts'
import { parseEtcdAddress } from '../../src/store/etcd/address.ts'
import { EtcdClient } from '../../src/store/etcd/client.ts'
import { Layout } from '../../src/store/etcd/layout.ts'
import type { Operation } from '../../src/store/etcd/messages.ts'
import { openStore } from '../../src/store/store.ts'
import { cacheBin } from '../device/programs.ts'
import { addresses, storeHost, until } from './lab.ts'
import { network } from './nodes.ts'
import type { BenchStore } from './store.ts'

const port = 2379
/** etcd takes 128 in a transaction, unless told otherwise. */
const operationsEach = 100

export async function startEtcdStore(lab: Lab): Promise<BenchStore> {
  const folder = join(lab.sharedFolder, 'etcd')
  mkdirSync(folder)
  const certificate = await makeCertificate(folder)
  const start = () => spawnEtcd(lab, folder, certificate)
  let etcd = start()
  const door = await openDoor(join(folder, socketName))
  const client = openClient(door, certificate.caFile)
  const layout = new Layout('/podwire')
  const revision = async () => (await client.range({ key: layout.network })).header.revision
  const ready = () =>
    until('etcd answers', () =>
      revision().then(
        () => true,
        () => false,
      ),
    )
  const write = async (operations: readonly Operation[]) => {
    for (let at = 0; at < operations.length; at += operationsEach) {
      await client.txn({ compare: [], success: operations.slice(at, at + operationsEach) })
    }
  }
  /** What a node's record says is taken out with it, at once. */
  const removalOf = async (name: string): Promise<Operation[]> => {
    const key = layout.nodeKey(name)
    const text = (await client.range({ key })).kvs[0]?.value.toString() ?? ''
    const { publicKey, prefixes } = parseNodeRecord(text, key)
    const removal = formatRemoval({ node: name, publicKey, sinceMs: Date.now() })
    const keys = [key, ...prefixes.map(prefix => layout.claimKey(prefix))]
    return [{ put: layout.removalKey({ publicKey }), value: removal }, ...keys.map(remove => ({ remove }))]
  }

  await ready()
  await write([{ put: layout.network, value: formatNetworkConfig(network) }])
  return {
    title: `etcd ${await version()}`,
    flags: ['--store', `etcd:https://${addresses[storeHost]}:${port}`, '--store-ca', certificate.caFile],
    async put(records, claims) {
      await write(claims.map(claim => ({ put: layout.claimKey(claim.prefix), value: formatClaim(claim) })))
      await write(records.map(record => ({ put: layout.nodeKey(record.name), value: formatNodeRecord(record) })))
    },
    async remove(names) {
      for (const name of names) await write(await removalOf(name))
    },
    async newNetwork(name) {
      const address = `etcd:${urlOf(door)}/${name}`
      const open = () => openStore(address, { caFile: certificate.caFile })
      const store = await open()
      await store.createNetwork(network)
      await store.close()
      return open
    },
    countWrites: revision,
    async goAway() {
      const closed = once(etcd, 'close')
      etcd.kill('SIGKILL')
      await closed
    },
    async comeBack() {
      etcd = start()
      await ready()
    },
    async [Symbol.asyncDispose]() {
      client.close()
      door.close()
    },
  }
}

const socketName = 'client:1'

interface Certificate {
  /** The authority of itself. */
  readonly caFile: string
  readonly keyFile: string
}

async function makeCertificate(folder: string): Promise<Certificate> {
  const [caFile, keyFile] = [join(folder, 'etcd.pem'), join(folder, 'etcd.key')]
  const names = `subjectAltName=IP:${addresses[storeHost]},IP:127.0.0.1`
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile]
  await exec(['openssl', 'req', '-x509', ...key, '-out', caFile, '-subj', '/CN=etcd', '-addext', names, '-days', '2'])
  return { caFile, keyFile }
}

function spawnEtcd(lab: Lab, folder: string, { caFile, keyFile }: Certificate): ChildProcess {
  const url = `https://${addresses[storeHost]}:${port}`
  const peers = 'unix://peer:1'
  const options = [
    ...['--data-dir', join(folder, 'data'), '--unsafe-no-fsync', '--logger', 'zap', '--log-level', 'error'],
    ...['--listen-client-urls', `${url},unixs://${socketName}`, '--advertise-client-urls', url],
    ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers, '--initial-cluster', `default=${peers}`],
    ...['--cert-file', caFile, '--key-file', keyFile],
  ]
  // Its sockets have short names in its folder; one that was killed has left them there.
  const inFolder = ['sh', '-c', 'cd "$0" && rm -f ./*:1 && exec "$@"', folder] as const
  return lab.spawn(storeHost, [...inFolder, findEtcd(), ...options], { stdio: ['ignore', 'ignore', 'inherit'] })
}

/** Debian's etcd: installed, or where scripts/setup.mjs unpacks it. */
function findEtcd(): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), join(cacheBin, '../etcd/usr/bin')]
  const found = folders.map(folder => join(folder, 'etcd')).find(existsSync)
  if (found === undefined) throw new Error('there is no etcd: run `npm run setup`, or `apt-get install etcd-server`')
  return found
}

/** A port of this machine's loopback that leads to the socket. */
async function openDoor(socket: string): Promise<Server> {
  const door = createServer(near => {
    const far = connect(socket)
    near.on('error', () => far.destroy()).pipe(far)
    far.on('error', () => near.destroy()).pipe(near)
  })
  door.listen(0, '127.0.0.1')
  await once(door, 'listening')
  return door
}

function openClient(door: Server, caFile: string): EtcdClient {
  const { endpoints } = parseEtcdAddress(urlOf(door))
  return new EtcdClient(endpoints, { caFile })
}

function urlOf(door: Server): string {
  return `https://127.0.0.1:${(door.address() as AddressInfo).port}`
}

async function version(): Promise<string> {
  const { stdout } = await exec([findEtcd(), '--version'])
  return /etcd Version: (\S+)/.exec(stdout)?.[1] ?? 'unknown'
}

// What others on this host need of an agent's network, as files in its state folder, there also while no agent runs:
//
//   closed.nft   what closes the host, for nft: a machine that starts again has neither rules nor routes, and has this before it
//                has a network (deploy/systemd/podwire-close.service), long before an agent or a store answers
//   place.json   the device and the node's prefixes, of which `podwire attach` gives addresses

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { reasonOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { listItems, objectFields, parseJson, stringValue } from '../model/document.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import { renderFirewall } from '../policy/base-chains.ts'
import { replaceFile } from '../store/atomic-file.ts'

/** What a node can give to containers. */
export interface Place {
  readonly device: string
  readonly prefixes: readonly string[]
}

export class HostFiles {
  readonly #folder: string
  readonly #written = new Map<string, string>()

  constructor(stateFolder: string) {
    this.#folder = stateFolder
  }

  /** Writes what differs. A file that cannot be written is told once for each of its texts, and keeps nothing from going on. */
  async keep({ device, prefixes, network }: Place & { network: NetworkConfig }, log: Log): Promise<void> {
    await this.#write('closed.nft', renderFirewall({ device, overlay: network.range, shares: [] }), log)
    await this.#write('place.json', `${JSON.stringify({ device, prefixes })}\n`, log)
  }

  async #write(name: string, text: string, log: Log): Promise<void> {
    if (this.#written.get(name) === text) return
    this.#written.set(name, text)
    const file = join(this.#folder, name)
    try {
      if ((await readFile(file, 'utf8').catch(() => undefined)) === text) return
      await replaceFile(file, text, { mode: 0o600 })
    } catch (error) {
      log.warn({ file, reason: reasonOf(error) }, 'a file of the state folder could not be written')
    }
  }
}

/** The places of the networks whose state is in the folder, or in folders of it. Error: ERR_PODWIRE_DOCUMENT. */
export async function readPlaces(folder: string): Promise<Place[]> {
  const below = await readdir(folder).catch((): string[] => [])
  const files = ['', ...below].map(name => join(folder, name, 'place.json'))
  const texts = await Promise.all(files.map(file => readFile(file, 'utf8').catch(() => undefined)))
  return texts.flatMap((text, i) => (text === undefined ? [] : [parsePlace(text, files[i] ?? folder)]))
}

function parsePlace(text: string, file: string): Place {
  const { device, prefixes } = objectFields(parseJson(text, file), ['device', 'prefixes'])
  return { device: stringValue(device), prefixes: listItems(prefixes).map(stringValue) }
}

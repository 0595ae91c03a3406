// What closes a host to its network's traffic, kept as a file for nft: a machine that starts again has neither rules nor routes,
// and puts these in place before it has a network (deploy/systemd/podwire-close.service), long before an agent or a store answers.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NetworkConfig } from '../model/network-config.ts'
import { renderFirewall } from '../policy/base-chains.ts'
import { replaceFile } from '../store/atomic-file.ts'

/** Writes the file unless it is there as it should be. Errors: those of writing it. */
export async function keepClosed(stateFolder: string, device: string, { range }: NetworkConfig): Promise<void> {
  const file = join(stateFolder, 'closed.nft')
  const text = renderFirewall({ device, overlay: range, shares: [] })
  if ((await readFile(file, 'utf8').catch(() => undefined)) === text) return
  await replaceFile(file, text, { mode: 0o600 })
}

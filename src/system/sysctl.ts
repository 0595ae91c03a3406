// The few kernel settings that a node needs to carry packets for its containers, in this process's network namespace.
// Only what stands in the way is changed.

import { readdir, readFile, writeFile } from 'node:fs/promises'
import { podwireError, reasonOf } from '../base/errors.ts'

const root = '/proc/sys/net'

/** A setting below /proc/sys/net: "ipv4/ip_forward", "1". */
type Setting = readonly [name: string, value: string]

/**
 * Lets the host forward, keeps the router advertisements that it listened to so far (a host that forwards ignores them
 * unless told otherwise), and lets the device take packets whose way back is another. Returns what was changed, as
 * "ipv4/ip_forward=1". Errors: ERR_PODWIRE_NEEDS_ROOT, ERR_PODWIRE_SYSTEM.
 */
export async function prepareForwarding(deviceName: string): Promise<string[]> {
  const settings = await missingSettings(deviceName)
  for (const [name, value] of settings) await writeSysctl(name, value)
  return settings.map(formatSetting)
}

/** What `prepareForwarding` would change, the device being there or not. Errors: as there. */
export async function previewForwarding(deviceName: string): Promise<string[]> {
  return (await missingSettings(deviceName)).map(formatSetting)
}

function formatSetting([name, value]: Setting): string {
  return `${name}=${value}`
}

/** In the order in which to set them. */
async function missingSettings(deviceName: string): Promise<Setting[]> {
  const settings: Setting[] = []
  if ((await readSysctl('ipv6/conf/all/forwarding')) === '0') {
    for (const link of await advertisedLinks(deviceName)) settings.push([`ipv6/conf/${link}/accept_ra`, '2'])
    settings.push(['ipv6/conf/all/forwarding', '1'])
  }
  if ((await readSysctl('ipv4/ip_forward')) === '0') settings.push(['ipv4/ip_forward', '1'])
  const filter = (link: string) => readSysctl(`ipv4/conf/${link}/rp_filter`)
  // The larger of the two counts: 1 is strict, 2 is loose. A device that is yet to come begins with the default.
  const filters = [await filter('all'), (await filter(deviceName)) ?? (await filter('default'))]
  if (Math.max(...filters.map(Number)) === 1) settings.push([`ipv4/conf/${deviceName}/rp_filter`, '2'])
  return settings
}

/** Links that take router advertisements. Those of containers must not: a container could become the host's router. */
async function advertisedLinks(deviceName: string): Promise<string[]> {
  const links = (await readdir(`${root}/ipv6/conf`)).filter(
    link => !['all', 'default', 'lo', deviceName].includes(link) && !link.startsWith('pw'),
  )
  const accepts = await Promise.all(links.map(link => readSysctl(`ipv6/conf/${link}/accept_ra`)))
  return links.filter((_, i) => accepts[i] === '1')
}

/** The value of `name` ("ipv4/ip_forward"); undefined if the kernel has none, as without IPv6 or after a link went. */
export async function readSysctl(name: string): Promise<string | undefined> {
  try {
    return (await readFile(`${root}/${name}`, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw failed(`reading net/${name}`, error)
  }
}

/** Errors: ERR_PODWIRE_NEEDS_ROOT, ERR_PODWIRE_SYSTEM. */
export async function writeSysctl(name: string, value: string): Promise<void> {
  try {
    await writeFile(`${root}/${name}`, value)
  } catch (error) {
    throw failed(`setting net/${name} to ${value}`, error)
  }
}

function failed(what: string, error: unknown) {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM') return podwireError('ERR_PODWIRE_NEEDS_ROOT', { what }, error)
  return podwireError('ERR_PODWIRE_SYSTEM', { what, reason: reasonOf(error) }, error)
}

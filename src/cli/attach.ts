// `podwire attach` and `podwire detach`: an existing namespace, or a container, as a part of this node's network.

import { type Command, Option } from 'commander'
import type { Attachment } from '../agent/attach.ts'
import type { Place } from '../agent/host-files.ts'
import { podwireError } from '../base/errors.ts'

interface Flags {
  readonly device?: string
  readonly state?: string
  readonly default?: true
  readonly list?: true
  readonly json?: true
}

const which = 'of a host in several networks: the interface of the one that is meant'
const stateFolder = '/var/lib/podwire'
const state = new Option('--state <folder>', `where the agents have their state (default: ${stateFolder})`)

export function defineAttach(command: Command): void {
  command
    .argument('[target]', 'a container, a name of `ip netns`, a process id, or the path of a namespace')
    .option('--device <interface>', which)
    .option('--default', 'lead all that it sends to this host, not only what is for the network')
    .option('--list', 'show what is attached')
    .option('--json', 'as JSON')
    .addOption(state)
    .addHelpText(
      'after',
      `
The target gets an interface of the device's name with an address of each of this node's prefixes. It is asked for by name of
podman, Docker, systemd-machined and LXC, in this order. When its namespace ends, its place is free again.

Examples:
  podwire attach web
  podwire attach $(pidof postgres) --default
  podwire attach --list --json`,
    )
    .action(async (target: string | undefined, flags: Flags) => {
      if ((target === undefined) !== (flags.list === true)) {
        throw podwireError('ERR_PODWIRE_USAGE', { what: 'say what to attach, or --list', command: 'attach' })
      }
      const [{ attach, listAttachments }, { findTarget }, { openLinks }, { openNftables }] = await Promise.all([
        import('../agent/attach.ts'),
        import('../agent/attach-target.ts'),
        import('../native/link.ts'),
        import('../system/nftables.ts'),
      ])
      const links = openLinks()
      try {
        if (target === undefined) return print(await listAttachments(links), flags)
        const place = await choosePlace(flags)
        const host = { links, nftables: openNftables(place.device) }
        const found = await findTarget(target)
        print([await attach(host, place, { target: found, isDefault: flags.default === true })], flags)
      } finally {
        links.close()
      }
    })
}

export function defineDetach(command: Command): void {
  command
    .argument('<target>', 'as it was attached, or its interface on the host')
    .option('--device <interface>', which)
    .option('--json', 'as JSON')
    .addOption(state)
    .action(async (target: string, flags: Flags) => {
      const [{ detach }, { openLinks }] = await Promise.all([import('../agent/attach.ts'), import('../native/link.ts')])
      const { device } = await choosePlace(flags)
      const links = openLinks()
      try {
        print([await detach(links, device, target)], flags)
      } finally {
        links.close()
      }
    })
}

async function choosePlace({ state, device }: Flags): Promise<Place> {
  const [{ readPlaces }, { placed }] = await Promise.all([
    import('../agent/host-files.ts'),
    import('../agent/settings.ts'),
  ])
  const folder = state ?? placed(stateFolder)
  const places = await readPlaces(folder)
  const [place, another] = places.filter(each => device === undefined || each.device === device)
  const devices = places.map(each => each.device).join(', ')
  if (another !== undefined) {
    throw podwireError('ERR_PODWIRE_USAGE', { what: `--device: which of ${devices}?`, command: 'attach' })
  }
  if (place === undefined) throw podwireError('ERR_PODWIRE_NO_PLACE', { folder, devices: devices || 'none' })
  return place
}

function print(attachments: readonly Attachment[], { json }: Flags): void {
  if (json) console.log(JSON.stringify(attachments, null, 2))
  else
    for (const { target, device, link, addresses } of attachments)
      console.log(`${target}  ${addresses.join(' ')}  (${device}, by ${link})`)
}

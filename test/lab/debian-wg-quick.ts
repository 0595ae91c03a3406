// Debian's wg-quick as on a host whose kernel has no WireGuard, whatever the kernel has on which the tests run, so that it takes the
// program of WG_QUICK_USERSPACE_IMPLEMENTATION. wg-quick asks twice: whether `ip` makes such a link, and whether /sys knows the module.
// It looks for programs in its own folder first: there a copy of it has an `ip` that makes no such link.

import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** In a mount namespace of its own, an empty folder hides the module. */
const hideModule = '[ ! -e /sys/module/wireguard ] || mount -t tmpfs none /sys/module; exec "$@"'

/** The words in place of "wg-quick"; what they need is put into a new folder, which a test removes. */
export function debianWgQuick(bin: string): readonly [string, ...string[]] {
  mkdirSync(bin)
  const ip = `#!/bin/sh
case " $* " in *' type wireguard '*) echo 'Error: Unknown device type.' >&2; exit 2 ;; esac
exec ${find('ip')} "$@"
`
  writeFileSync(join(bin, 'ip'), ip, { mode: 0o755 })
  copyFileSync(find('wg-quick'), join(bin, 'wg-quick'))
  return ['unshare', '--mount', 'sh', '-c', hideModule, 'sh', join(bin, 'wg-quick')]
}

function find(program: string): string {
  return execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim()
}

// What `podwire attach` is pointed at, as a network namespace: a path, the id of a process, a name of `ip netns`, or the name of a
// container that podman, Docker, systemd or LXC runs.

import { existsSync } from 'node:fs'
import { stat, statfs } from 'node:fs/promises'
import { podwireError, reasonOf } from '../base/errors.ts'
import { exec } from '../base/exec.ts'

export interface Target {
  /** As it was asked for. */
  readonly text: string
  /** Path of the namespace, for setns(2). */
  readonly path: string
  /** What tells it from all others while it lives. */
  readonly inode: number
}

/** Those that run containers, and how each says the id of one's first process. */
const runtimes: readonly ((name: string) => [string, ...string[]])[] = [
  name => ['podman', 'inspect', '--type', 'container', '--format', '{{.State.Pid}}', name],
  name => ['docker', 'inspect', '--type', 'container', '--format', '{{.State.Pid}}', name],
  name => ['machinectl', 'show', name, '--property', 'Leader', '--value'],
  name => ['lxc-info', '--name', name, '--pid', '--no-humanize'],
]
/** NSFS_MAGIC of linux/magic.h. */
const namespaceFileSystem = 0x6e736673

/** Errors: ERR_PODWIRE_ATTACH. */
export async function findTarget(text: string): Promise<Target> {
  const refuse = (reason: string, cause?: unknown) =>
    podwireError('ERR_PODWIRE_ATTACH', { target: text, reason }, cause)
  const path = await pathOf(text)
  if (path === undefined) throw refuse('no namespace and no running container has this name')
  const [{ ino }, { type }] = await Promise.all([stat(path), statfs(path)]).catch((error: unknown) => {
    throw refuse(reasonOf(error), error)
  })
  if (type !== namespaceFileSystem) throw refuse(`${path} is no network namespace`)
  if (ino === (await stat('/proc/self/ns/net')).ino) throw refuse("it shares this host's own network")
  return { text, path, inode: ino }
}

async function pathOf(text: string): Promise<string | undefined> {
  // It goes into a line of `ip -batch`.
  if (!/^[\w./:@+-]+$/.test(text)) return undefined
  if (text.includes('/')) return text
  if (/^\d+$/.test(text)) return `/proc/${text}/ns/net`
  if (!/^[A-Za-z0-9][\w.-]*$/.test(text)) return undefined
  if (existsSync(`/run/netns/${text}`)) return `/run/netns/${text}`
  for (const command of runtimes) {
    const { stdout } = await exec(command(text), { timeout: 10_000 }).catch(() => ({ stdout: '' }))
    const pid = stdout.trim()
    if (/^[1-9]\d*$/.test(pid)) return `/proc/${pid}/ns/net`
  }
  return undefined
}

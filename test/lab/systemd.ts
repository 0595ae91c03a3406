// A systemd of its own on a host of a lab: PID 1 of a PID namespace, with the host's network and /run, its own group of the
// kernel's cgroups, and no units but those of its folder. It ends with the lab's test, by SIGKILL, and all its processes with it.

import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import type { QuickHost } from './quick-host.ts'
import { until } from './until.ts'

const program = '/lib/systemd/systemd'
/** Where cgroup2 is: the one place where a machine's systemd has it, or beside version 1. */
const cgroups = /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/mounts', 'utf8'))?.[1]
export const systemdOptions =
  existsSync(program) && cgroups !== undefined ? {} : { skip: 'there is no systemd, or no cgroup2' }

/** Below the host's own /run; empty targets stand for those that a unit is ordered after. */
export const unitFolder = '/run/systemd/system'
const targets = ['sysinit', 'basic', 'shutdown', 'network-online', 'nss-lookup', 'network', 'start']

const start = `
mount --make-rprivate /
mount -t sysfs none /sys
mount -t cgroup2 none /sys/fs/cgroup
mount -t proc none /proc
mount -t tmpfs none /etc/systemd
mkdir /etc/systemd/system
exec env -i PATH="$PATH" container=podwire SYSTEMD_UNIT_PATH=${unitFolder}:/etc/systemd/system ${program} --unit=start.target
`

/**
 * Runs a test with a systemd; `systemctl` gives its output, whether it fails or not, and `inside` that of any command beside it. Units
 * that are installed or enabled in /etc/systemd are there alone, and go with it.
 */
export async function withSystemd(
  at: QuickHost,
  units: Record<string, string>,
  test: (systemctl: (args: string) => Promise<string>, inside: (command: string) => Promise<string>) => Promise<void>,
): Promise<void> {
  const group = join(cgroups ?? '', `podwire-test-${process.pid}`)
  mkdirSync(group)
  await at.sh(`mkdir -p ${unitFolder}`)
  const files = targets.map(name => [`${name}.target`, '[Unit]\nDefaultDependencies=no\n'])
  for (const [name, text] of [...files, ...Object.entries(units)]) {
    await at.sh(
      `mkdir -p "$(dirname '${unitFolder}/${name}')"; cp ${at.write('unit', text ?? '')} '${unitFolder}/${name}'`,
    )
  }
  // It joins the group before it enters the host, where the machine's cgroups are out of sight.
  const unshare = ['unshare', '--fork', '--kill-child', '--pid', '--mount', '--cgroup', 'sh', '-c', start]
  const command = at.lab.command(at.host, unshare)
  const child = spawn('sh', ['-c', `echo $$ > ${group}/cgroup.procs && exec "$@"`, 'sh', ...command], {
    stdio: 'ignore',
  })
  const ended = new Promise(resolve => child.once('exit', resolve))
  // It hears only who is in its own namespaces.
  const enter = `nsenter --all --target $(pgrep -P ${child.pid})`
  const inside = (command: string) => shell(`${enter} ${command} 2>&1`)
  const systemctl = (args: string) => inside(`systemctl ${args}`)
  try {
    await until('systemd is up', async () => (await systemctl('is-active start.target')).trim() === 'active', 60)
    await test(systemctl, inside)
  } finally {
    child.kill('SIGKILL')
    await ended
    await until('its processes have ended', () => readGroup(group), 60)
    removeGroup(group)
  }
}

/** What a command on the machine prints, whether it fails or not. */
function shell(command: string): Promise<string> {
  return new Promise(resolve => execFile('sh', ['-c', command], (_error, stdout) => resolve(stdout)))
}

/** Whether no process is left in a group or below it. */
function readGroup(group: string): boolean {
  return /populated 0/.test(readFileSync(join(group, 'cgroup.events'), 'utf8'))
}

function removeGroup(group: string): void {
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroup(join(group, entry.name))
  }
  rmdirSync(group)
}

// What a lab may leave behind, found without the lab's own code: for tests to assert that it left nothing.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'

function linesOf(command: string, ...args: string[]): string[] {
  return execFileSync(command, args, { encoding: 'utf8' }).split('\n')
}

/** Interfaces of the machine itself: take them before, and give them to `assertNothingLeft` after. */
export function machineLinks(): string[] {
  return readdirSync('/sys/class/net').sort()
}

/** Asserts that no namespace, mount, file, interface or process of the lab is left. */
export function assertNothingLeft(lab: string, linksBefore: readonly string[]): void {
  const mine = `pwlab-${lab}.`
  const left = {
    namespaces: linesOf('ip', 'netns', 'list').filter(line => line.startsWith(mine)),
    namespaceFiles: existsSync('/run/netns') ? readdirSync('/run/netns').filter(name => name.startsWith(mine)) : [],
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter(line => line.includes(mine) || line.includes(`/run/podwire-lab/${lab} `)),
    files: existsSync(`/run/podwire-lab/${lab}`) ? [`/run/podwire-lab/${lab}`] : [],
    links: machineLinks().filter(name => !linksBefore.includes(name)),
    processes: linesOf('ps', '-e', '-o', 'pid=,args=').filter(line => line.includes(mine)),
  }
  const nothing = { namespaces: [], namespaceFiles: [], mounts: [], files: [], links: [], processes: [] }
  assert.deepEqual(left, nothing)
}

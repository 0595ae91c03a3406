// What `podwire quick` does to a host, as data: steps in order, each with what takes it back. plan*.ts beside this file make
// them, quick/run-steps.ts carries them out, and describe.ts says them as the commands that a person would type.

import type { DeviceChange } from '../../model/device.ts'

export type Action =
  /** The WireGuard link: the kernel's, or the userspace device's. */
  | { readonly kind: 'createLink' }
  /** A program with its arguments, which are never secrets, and its standard input. */
  | { readonly kind: 'run'; readonly command: readonly [string, ...string[]]; readonly input?: string }
  /** Over the device's own interface, never through arguments. */
  | { readonly kind: 'device'; readonly change: DeviceChange }
  /** "ipv4/conf/all/src_valid_mark", below /proc/sys/net. */
  | { readonly kind: 'sysctl'; readonly name: string; readonly value: string }
  /** A command of the file, for bash; "%i" is filled in. */
  | { readonly kind: 'hook'; readonly command: string }
  /** Writes what the device is now to its file. */
  | { readonly kind: 'save' }

export interface Step {
  readonly action: Action
  /** Absent: it goes with the link, or it is a command of the file, which only that file knows how to take back. */
  readonly undo?: Action
}

export function run(command: readonly [string, ...string[]], input?: string): Action {
  return { kind: 'run', command, ...(input !== undefined && { input }) }
}

/** The commands of one hook, "%i" filled in. */
export function hookSteps(name: string, commands: readonly string[]): Step[] {
  return commands.map(command => ({ action: { kind: 'hook', command: command.replaceAll('%i', name) } }))
}

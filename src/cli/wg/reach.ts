// What wg(8) says of a device that it cannot read or change, in its words: scripts look for them. What podwire adds comes behind.

import { type ErrorCode, PodwireError, reasonOf } from '../../base/errors.ts'

/** The kernel's words of an error. */
const words: Partial<Record<ErrorCode, string>> = {
  ERR_PODWIRE_NEEDS_ROOT: 'Operation not permitted',
  ERR_PODWIRE_NO_KERNEL_WIREGUARD: 'Protocol not supported',
  ERR_PODWIRE_PORT_IN_USE: 'Address already in use',
}

/** Reads or changes a device; what keeps it from that is said on standard error, and thrown on. */
export async function reaching<T>(purpose: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    sayUnable(purpose, error)
    throw error
  }
}

export function sayUnable(purpose: string, error: unknown): void {
  process.stderr.write(`Unable to ${purpose}: ${kernelWords(error)}\n`)
}

function kernelWords(error: unknown): string {
  if (!(error instanceof PodwireError)) return reasonOf(error)
  const { code, message } = error
  if (code === 'ERR_PODWIRE_NO_DEVICE') {
    // A link that is not there, or of another kind; otherwise there is neither a socket nor WireGuard in the kernel.
    return /: (No such device|Operation not supported)/.exec(message)?.[1] ?? 'Protocol not supported'
  }
  // "WHAT: Invalid argument (what the kernel says besides)"; a device's own errno is told in small letters.
  if (code === 'ERR_PODWIRE_SYSTEM' || code === 'ERR_PODWIRE_UAPI_REFUSED') {
    const reason = /: ([^:()]+)(?: \([^()]*\))?$/.exec(message)?.[1]
    return reason === undefined ? message : `${reason.charAt(0).toUpperCase()}${reason.slice(1)}`
  }
  return words[code] ?? message
}

// UDP sockets whose packets are never fragmented (IP_PMTUDISC_PROBE), neither by this host, whatever it believes of a path, nor on
// their way: dgram cannot ask for that, but takes a socket that the addon opened.

import { createSocket, type Socket } from 'node:dgram'
import type { Family } from '../base/cidr.ts'
import { callAddon, loadAddon } from './addon.ts'

interface Addon {
  openProbeSocket(ipv6: boolean, port: number, mark: number): number
}

/**
 * A socket bound to the port on all addresses of one family. `mark` is what routing rules see; 0 is none. It does not keep the
 * process alive. Errors: ERR_PODWIRE_SYSTEM (the port is taken, no such family), ERR_PODWIRE_NEEDS_ROOT.
 */
export function openProbeSocket(family: Family, port: number, mark = 0): Socket {
  const fd = callAddon(() => loadAddon<Addon>().openProbeSocket(family === 6, port, mark))
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
  socket.bind({ fd }) // at once: there is nothing to look up
  return socket.unref()
}

// Whether a device's UDP port can be reached, as far as its own host can know: who has the port, whether the host's rules let a
// datagram in, whether a NAT stands in front, and which peers have answered. A device answers only the handshake of a peer that it
// has, so nobody outside can ask it "are you there?": the handshakes of the peers are the whole truth.

import { containsCidr, familyBits, parseAddress, parsePrefix } from '../base/cidr.ts'
import type { HostFacts } from '../model/host-facts.ts'
import { type Finding, note, ok, problem } from './finding.ts'

/** What only a router in front can make reachable: RFC 1918, 6598, 3927 and 4193. */
const privateRanges = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  'fc00::/7',
].map(text => parsePrefix(text, text))
/** A session ends that long after its handshake (WireGuard paper, section 6.1: Reject-After-Time). */
const sessionMs = 180_000

export function port({ port: { number, isTaken, program }, devices }: HostFacts): Finding {
  const device = devices.find(({ listenPort }) => listenPort === number)
  if (device !== undefined) return ok('port', `UDP port ${number} is ${device.name}’s`)
  if (!isTaken) return ok('port', `UDP port ${number} is free`)
  const says = `UDP port ${number} is used by ${program ?? 'another program'}`
  return problem('port', says, 'Choose another with --listen-port, or end that program.')
}

export function firewall({ firewall: found, port: { number } }: HostFacts): Finding {
  if ('untried' in found) {
    const says = `whether this host lets UDP port ${number} in could not be tried: ${found.untried}`
    return note('firewall', says, `Look at the rules for what comes in: nft list ruleset; iptables-save.`)
  }
  if (found.closed.length === 0) return ok('firewall', `this host’s own rules let UDP port ${number} in`)
  const families = found.closed.map(family => `IPv${family}`).join(' and ')
  const says = `this host drops what comes to UDP port ${number} over ${families}: tried with a datagram of an Internet address, on a copy of its rules`
  const hint = `Let it in where it is dropped: nft insert rule inet filter input udp dport ${number} accept (a host that only calls out needs nothing).`
  return note('firewall', says, hint)
}

export function address({ waysOut, port: { number } }: HostFacts): Finding {
  const list = waysOut.map(({ address, link }) => `${address} on ${link}`).join(', ')
  const inner = waysOut.filter(({ address }) => isPrivate(address))
  if (waysOut.length === 0) {
    return note(
      'address',
      'this host has no address outside its tunnels',
      'Give a link an address and a default route.',
    )
  }
  if (inner.length < waysOut.length || inner[0] === undefined) {
    return ok('address', `${list}; routers in front, which may drop what comes in, cannot be seen from here`)
  }
  const hint = `Forward UDP port ${number} of the router to ${inner[0].address}, and give peers the router’s address; or let this host call out, with PersistentKeepalive = 25.`
  return note('address', `${list}: private, so a NAT stands before the Internet, and lets nothing in by itself`, hint)
}

function isPrivate(text: string): boolean {
  const own = parseAddress(text)
  return (
    own !== undefined && privateRanges.some(range => containsCidr(range, { ...own, length: familyBits(own.family) }))
  )
}

export function peers({ devices, clock: { nowMs } }: HostFacts): Finding {
  const all = devices.flatMap(({ name, peers }) => peers.map(peer => ({ ...peer, device: name })))
  if (all.length === 0) return ok('peers', 'no device here has a peer with an endpoint')
  const live = all.filter(({ lastHandshakeMs }) => lastHandshakeMs !== undefined && nowMs - lastHandshakeMs < sessionMs)
  const silent = all.filter(({ wasSent, lastHandshakeMs }) => wasSent && lastHandshakeMs === undefined)
  const says = `${live.length} of ${all.length} with an endpoint made a handshake in the last ${sessionMs / 60_000} minutes`
  if (silent.length === 0) return ok('peers', says)
  const names = silent.map(({ device, publicKey, endpoint }) => `${publicKey} at ${endpoint} (${device})`)
  const hint =
    'Run `podwire doctor` there: port, firewall, address; and see that it has this host’s public key, without which it is silent.'
  return note('peers', `${says}; never an answer from ${names.join(', ')}`, hint)
}

// Every error that podwire raises on purpose, in one table: code -> message, hint, exit status.
// docs/errors.md is generated from it (scripts/docs.mjs). A message says what, the value and what was expected;
// the hint says what to do next. Values that are keys are never passed in, and what somebody wrote may hold one by mistake: it is hidden.

import { hideKeys } from './secret.ts'

interface ErrorEntry {
  /** What happened; `{name}` is filled from the values given to PodwireError. */
  readonly message: string
  /** What to do next. */
  readonly hint: string
  /**
   * Exit status of a command that ends with this error: 1 failed, 2 bad input, 3 the machine lacks something, 4 this node was
   * removed from its network: starting again helps nobody.
   */
  readonly exit: 1 | 2 | 3 | 4
}

export const errorTable = {
  // What a person typed or wrote
  ERR_PODWIRE_USAGE: { message: '{what}', hint: 'See `podwire {command} --help`.', exit: 2 },
  ERR_PODWIRE_CIDR: {
    message: '{where}: "{text}" cannot be used: {reason}',
    hint: 'Write it as 10.99.1.0/24 or fd99:0:1::/64.',
    exit: 2,
  },
  ERR_PODWIRE_ENDPOINT: {
    message: '{where}: "{text}" is not an endpoint: {reason}',
    hint: 'Write it as 198.51.100.7:51820 or [2001:db8::7]:51820.',
    exit: 2,
  },
  ERR_PODWIRE_PORTS: {
    message: '{where}: "{text}" names no ports: {reason}',
    hint: 'Write "tcp/443", "tcp/8000-8010", "udp/53" or "icmp".',
    exit: 2,
  },
  ERR_PODWIRE_KEY: {
    message: '{where}: not a key: {reason}',
    hint: 'A key is 32 bytes: 44 characters of base64, or 64 hexadecimal digits on the UAPI socket. Make one with `wg genkey`.',
    exit: 2,
  },
  ERR_PODWIRE_KEY_EXPOSED: {
    message: 'the key in {file} can be read by others (mode {mode}, expected 0600)',
    hint: 'Run `chmod 600 {file}`; if others may have read it, {renewal}.',
    exit: 2,
  },
  ERR_PODWIRE_SECRET: {
    message: '{where}: the secret cannot be had from {source}: {reason}',
    hint: 'Look at that source by hand; it has to give one key in base64 and nothing else.',
    exit: 1,
  },
  ERR_PODWIRE_FILE: {
    message: '{file} cannot be {what}: {reason}',
    hint: 'Check the name of the file and of its folder, and that you may do this there.',
    exit: 1,
  },
  ERR_PODWIRE_NAME: {
    message: '{where}: "{text}" cannot be used as a name: {reason}',
    hint: 'Use letters, digits, "-", "_" and ".", within the length said.',
    exit: 2,
  },
  ERR_PODWIRE_VALUE: {
    message: '{where}: "{text}": expected {expected}',
    hint: 'Write a value of that form.',
    exit: 2,
  },
  ERR_PODWIRE_INI: {
    message: '{what} cannot be said in INI: {reason}',
    hint: 'Keep this configuration as JSON, which `podwire quick` reads too.',
    exit: 2,
  },
  ERR_PODWIRE_DOCUMENT: {
    message: '{file}: {path}: {reason}',
    hint: 'Mend the document at the path named and run the command again; nothing was changed.',
    exit: 2,
  },
  ERR_PODWIRE_PEER_KEY: {
    message: 'the configuration of {node} needs public keys that the network document does not have: {peers}',
    hint: 'Write each as `publicKey` of its node; `podwire wg pubkey <FILE` makes it from the private key, on that host.',
    exit: 2,
  },

  ERR_PODWIRE_CAPTURE: {
    message: '{file}: not a whole capture: {reason}',
    hint: 'Record it with tcpdump on one Ethernet interface: `tcpdump -i IF -U -w FILE`.',
    exit: 2,
  },

  ERR_PODWIRE_NO_CONFIG: {
    message: 'there is no configuration {file}{or}',
    hint: 'Name a file that ends in .conf or .json by a path with a slash, or an interface of /etc/wireguard.',
    exit: 2,
  },

  // What the machine does not have
  ERR_PODWIRE_NEEDS_ROOT: {
    message: '{what} needs root (or CAP_NET_ADMIN): permission was denied',
    hint: 'Run it with sudo.',
    exit: 3,
  },
  ERR_PODWIRE_NO_TUN: {
    message: '/dev/net/tun cannot be opened: {reason}',
    hint: 'Load the module with `modprobe tun`, or pass the device into the container (--device /dev/net/tun).',
    exit: 3,
  },
  ERR_PODWIRE_NO_KERNEL_WIREGUARD: {
    message: 'the kernel has no WireGuard, and no module of it',
    hint: 'Load it with `modprobe wireguard`, or use a userspace device: `podwire device IF`, or `podwire quick up` without --backend.',
    exit: 3,
  },
  ERR_PODWIRE_TOOL_MISSING: {
    message: 'the program "{tool}" was not found, and {what} needs it',
    hint: 'Install it with `apt-get install {package}`.',
    exit: 3,
  },
  ERR_PODWIRE_ADDON: {
    message: 'the native addon could not be loaded from {file}: {reason}',
    hint: 'Build it with `npm run build`.',
    exit: 3,
  },

  // Something is in the way
  ERR_PODWIRE_UNRESOLVED: {
    message: '{where}: no address was found for "{host}": {reason}',
    hint: 'Check the name and the DNS servers of this host, or write an address in its place.',
    exit: 1,
  },
  ERR_PODWIRE_QUICK_IS_UP: {
    message: 'the interface {name} exists already{state}',
    hint: 'Take it down with `podwire quick down {file}`, or apply a changed file with `podwire quick reload {file}`.',
    exit: 1,
  },
  ERR_PODWIRE_QUICK_NOT_UP: {
    message: 'the interface {name} is not up',
    hint: 'Bring it up with `podwire quick up {file}`.',
    exit: 1,
  },
  ERR_PODWIRE_QUICK_HALF_UP: {
    message: 'the interface {name} is half up: an `up` was killed in the middle',
    hint: 'Take it down with `podwire quick down {file}`, then bring it up again.',
    exit: 1,
  },
  ERR_PODWIRE_QUICK_BUSY: {
    message: 'another `podwire quick` is at work on {name}',
    hint: 'Wait until it has ended; a hook that hangs is among its children (`ps --forest`).',
    exit: 1,
  },
  ERR_PODWIRE_HOOK: {
    message: 'the command `{command}` of the configuration ended with {status}',
    hint: 'Mend the command, or take it out of the file.',
    exit: 1,
  },
  ERR_PODWIRE_INTERRUPTED: {
    message: 'interrupted by {signal}',
    hint: 'What `up` and `reload` had done was taken back; `down` goes on where it was. Run it again.',
    exit: 1,
  },
  ERR_PODWIRE_NAME_IN_USE: {
    message: 'a network interface named "{name}" exists already',
    hint: 'Choose another name, or remove that one with `ip link delete {name}`.',
    exit: 1,
  },
  ERR_PODWIRE_LAB_IN_USE: {
    message: 'a lab named "{name}" is up, {holder}',
    hint: 'End it with `podwire lab down {file}`{or}, or give the new one another name.',
    exit: 1,
  },
  ERR_PODWIRE_LAB_NOT_UP: {
    message: 'no lab named "{name}" is up',
    hint: 'Bring it up with `podwire lab up {file}`.',
    exit: 1,
  },
  ERR_PODWIRE_LAB_TIMEOUT: {
    message: 'waited {seconds} s for {what}: {reason}',
    hint: 'The machine may be short of CPU time; try again, or look with `podwire lab status`.',
    exit: 1,
  },
  ERR_PODWIRE_PORT_IN_USE: {
    message: 'UDP port {port} is in use by another program',
    hint: 'Choose another listen port, or see who holds it with `ss -ulpn sport = {port}`.',
    exit: 1,
  },
  ERR_PODWIRE_SOCKET: {
    message: 'the socket {file}: {reason}',
    hint: 'Check that the device runs (`podwire device IF`) and that you may open its socket.',
    exit: 1,
  },
  ERR_PODWIRE_COMMAND_FAILED: {
    message: '`{command}` ended with {status}: {output}',
    hint: 'Run the command by hand to see more.',
    exit: 1,
  },
  ERR_PODWIRE_SYSTEM: {
    message: '{what}: {reason}',
    hint: 'The kernel refused this call; the reason is its own word. `dmesg` may say more.',
    exit: 1,
  },
  ERR_PODWIRE_CLOSED: {
    message: '{what} was closed',
    hint: 'This is a defect of whoever calls it: open a new one, or stop calling when it is closed.',
    exit: 1,
  },

  // The store, and a node's place in it
  ERR_PODWIRE_STORE_ADDRESS: {
    message: 'the store "{address}" cannot be used: {reason}',
    hint: 'Write it as file:/path/to/folder, server:https://HOST:PORT, etcd:https://HOST:PORT, or kubernetes:.',
    exit: 2,
  },
  ERR_PODWIRE_JOIN_TOKEN: {
    message: 'this is not a join token: {reason}',
    hint: 'Copy the whole line that `podwire token create` printed; it is one word.',
    exit: 2,
  },
  ERR_PODWIRE_STORE: {
    message: 'the store {store}: {what}: {reason}',
    hint: 'Set the network up there with `podwire init`; see that this host reaches the store, and that it may read and write there.',
    exit: 1,
  },
  ERR_PODWIRE_KUBECONFIG: {
    message: 'no way to the cluster: {where}: {reason}',
    hint: 'Name a kubeconfig that works with kubectl: `--kubeconfig FILE`; without one, run it in a pod with a service account.',
    exit: 2,
  },
  ERR_PODWIRE_STORE_PIN: {
    message: 'the server of the store {store} has a key with the pin {found}, expected {expected}',
    hint: 'Whoever answers there is not the server that this node joined: see `podwire server` on its host. If its state was lost, join anew.',
    exit: 1,
  },
  ERR_PODWIRE_STORE_DENIED: {
    message: 'the store does not let {who} do this: {reason}',
    hint: 'A node writes what is its own. On the host of `podwire server`, root may do the rest.',
    exit: 1,
  },
  ERR_PODWIRE_STORE_BUSY: {
    message: 'the store refuses {address} for {seconds} s, after too many attempts to join that failed',
    hint: 'Wait that long, and use a token that `podwire token create` has just printed.',
    exit: 1,
  },
  ERR_PODWIRE_TOKEN_UNKNOWN: {
    message: 'the store knows no such join token',
    hint: 'Make another with `podwire token create`, of the same network; one that ended a week ago is forgotten.',
    exit: 1,
  },
  ERR_PODWIRE_TOKEN_EXPIRED: {
    message: 'the join token {id} expired at {time}',
    hint: 'Make another with `podwire token create`.',
    exit: 1,
  },
  ERR_PODWIRE_TOKEN_USED: {
    message: 'the join token {id} was used already, by {nodes}',
    hint: 'Make another with `podwire token create`; if you do not know that node, `podwire node remove` takes it out.',
    exit: 1,
  },
  ERR_PODWIRE_TOKEN_REVOKED: {
    message: 'the join token {id} was revoked',
    hint: 'Make another with `podwire token create`.',
    exit: 1,
  },
  ERR_PODWIRE_TOKEN_FOR_ANOTHER: {
    message: 'the join token {id} is for the node "{bound}", and this is "{name}"',
    hint: 'Join with --name {bound}, or make another with `podwire token create`.',
    exit: 1,
  },
  ERR_PODWIRE_SERVER_STATE: {
    message: "the server's state in {folder} cannot be used: {reason}",
    hint: 'Make it with `podwire init`, or name its folder with --state.',
    exit: 1,
  },
  ERR_PODWIRE_NODE_NAME_TAKEN: {
    message: 'the node name "{name}" is in use: the store holds it with the key {theirs}, and this node has {ours}',
    hint: 'Choose another --name; if that node is gone for good, remove its record {record} first.',
    exit: 1,
  },
  ERR_PODWIRE_NODE_REMOVED: {
    message: 'the node "{name}" was removed from the network, with the key {key}',
    hint: 'To come back, `podwire leave` its network, then join with a new token: it gets a new key.',
    exit: 4,
  },
  ERR_PODWIRE_AGENT_RUNNING: {
    message: 'another agent keeps the device {device} already',
    hint: 'See which process it is with `fuser -v /run/podwire/lock/agent-{device}@*`, and stop it first; another network has a device of its own (`--device`).',
    exit: 1,
  },
  ERR_PODWIRE_NETWORKS_OVERLAP: {
    message: 'the range {range} overlaps {other}, which the network of the device {device} has on this host',
    hint: 'Give one of the two networks another range. If the other has left this host, its rules go with `nft delete table inet podwire-{device}`.',
    exit: 2,
  },
  ERR_PODWIRE_ATTACH: {
    message: '{target} cannot be attached: {reason}',
    hint: 'Name a container that runs, a network namespace (`ip netns list`), a process, or the path of a namespace; `podwire attach --list` shows what is attached.',
    exit: 1,
  },
  ERR_PODWIRE_NOT_ATTACHED: {
    message: '{target} is not attached to the network of {device}',
    hint: 'See what is, and under which name, with `podwire attach --list`.',
    exit: 1,
  },
  ERR_PODWIRE_NO_PLACE: {
    message: 'no such network has run on this host: its state is not in {folder} (devices there: {devices})',
    hint: 'Start its agent first, or name the folder that the agent has with --state.',
    exit: 1,
  },
  ERR_PODWIRE_DEVICE_SILENT: {
    message: 'the device {device} was started, and its socket does not answer: {reason}',
    hint: 'Start it by hand to see what it says: `podwire device --foreground {device}`.',
    exit: 1,
  },
  ERR_PODWIRE_RANGE_IN_USE: {
    message: "the network's range {range} overlaps {cidr}, which this host has on {link}: it would be cut off there",
    hint: 'Choose another range in network.json, or remove the address from {link}.',
    exit: 1,
  },
  ERR_PODWIRE_RANGE_EXHAUSTED: {
    message: 'no /{length} is left in the range {range}: {claimed} prefixes are claimed',
    hint: 'Remove the claims and records of nodes that are gone, or widen the range in network.json.',
    exit: 1,
  },

  ERR_PODWIRE_NETWORK_EXISTS: {
    message: 'the store {store} holds a network already, "{network}"; nothing was changed',
    hint: 'Join it with a token of it (`podwire token create --store {store}`), or give the new network a store of its own.',
    exit: 1,
  },
  ERR_PODWIRE_NOT_JOINED: {
    message: 'this host has not joined {what}',
    hint: 'Join with `podwire join TOKEN`; other commands take --store ADDRESS as well. `podwire token create` makes a token.',
    exit: 1,
  },
  ERR_PODWIRE_JOINED_OTHERWISE: {
    message: 'this host has joined {network} already, {otherwise}; nothing was changed',
    hint: 'Leave it first with `podwire leave {network}`.',
    exit: 1,
  },
  ERR_PODWIRE_TOKEN_UNSUPPORTED: {
    message: 'the store {store} cannot do this with tokens: {what}',
    hint: '{instead}.',
    exit: 1,
  },
  ERR_PODWIRE_NODE_UNKNOWN: {
    message: 'there is no node "{name}" in {store}',
    hint: 'See which there are with `podwire node list`.',
    exit: 1,
  },
  ERR_PODWIRE_AGENT_SILENT: {
    message: 'the agent of the network {network} does not answer: {reason}',
    hint: 'See whether it runs with `systemctl status podwire@{network}`, or start it with `podwire agent {network}`.',
    exit: 1,
  },
  ERR_PODWIRE_HEALTH: {
    message: 'health cannot be served on {address}: {reason}',
    hint: 'Choose another address with --health, or see who holds it with `ss -tlpn`.',
    exit: 1,
  },

  // The protocol and its socket
  ERR_PODWIRE_NO_DEVICE: {
    message: '{name} is not a WireGuard interface: {reason}',
    hint: 'See which there are with `podwire wg show interfaces`; start one with `podwire device IF`.',
    exit: 1,
  },
  ERR_PODWIRE_NOT_PODWIRE: {
    message: '{name} is not a podwire device: another program serves it',
    hint: 'See what it says of itself with `wg show {name}`.',
    exit: 1,
  },
  ERR_PODWIRE_UAPI: {
    message: 'UAPI line {line}: {reason}',
    hint: 'See the cross-platform interface of WireGuard for the keys and their order.',
    exit: 2,
  },
  ERR_PODWIRE_UAPI_PROTOCOL: {
    message: 'UAPI line {line}: {reason}',
    hint: 'A request is `get=1` or `set=1`, lines of key=value, and an empty line; an answer ends with errno=N and an empty line.',
    exit: 2,
  },
  ERR_PODWIRE_UAPI_REFUSED: {
    message: 'the device refused a {operation} request: {reason}',
    hint: 'The log of the device says which line it refused.',
    exit: 1,
  },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errorTable

type Placeholders<T extends string> = T extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholders<Rest>
  : never
type Values<C extends ErrorCode> = Record<
  Placeholders<(typeof errorTable)[C]['message']> | Placeholders<(typeof errorTable)[C]['hint']>,
  string | number
>

/** An error with a stable code, a message that says what, and a hint that says what to do next. */
export class PodwireError extends Error {
  override readonly name = 'PodwireError'
  readonly code: ErrorCode
  readonly hint: string

  constructor(code: ErrorCode, message: string, hint: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
    this.hint = hint
  }

  /** Exit status of a command that ends with this error. */
  get exitStatus(): number {
    return errorTable[this.code].exit
  }
}

/**
 * Makes the error of a code, its message filled with `values`; of what somebody wrote (`text`, and all about a document) without what
 * could be a part of a key. (A function, not the constructor, so that the names of the values are checked against the message of
 * that code.)
 */
export function podwireError<C extends ErrorCode>(code: C, values: Values<C>, cause?: unknown): PodwireError {
  const { message, hint } = errorTable[code]
  const isWritten = (name: unknown) => name === 'text' || (code === 'ERR_PODWIRE_DOCUMENT' && name !== 'file')
  const shown = (name: keyof Values<C>) => (isWritten(name) ? hideKeys(String(values[name])) : String(values[name]))
  const fill = (text: string): string => text.replace(/\{(\w+)\}/g, (_, name: keyof Values<C>) => shown(name))
  return new PodwireError(code, fill(message), fill(hint), cause === undefined ? undefined : { cause })
}

/** The message of anything that was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

// How podwire knows its own rules again, without a state file: every rule of its table carries the same
// comment, its seal, which names the device, a hash of the rules' text, and how many rules there are. Rules that were
// changed, removed or added by hand, or by another version, do not all carry the seal that is expected.

interface FirewallSeal {
  readonly device: string
  /** 16 hexadecimal digits. */
  readonly hash: string
  readonly ruleCount: number
}

/** "podwire DEVICE HASH COUNT", at most 128 bytes. */
export function formatFirewallSeal({ device, hash, ruleCount }: FirewallSeal): string {
  return `podwire ${device} ${hash} ${ruleCount}`
}

/** Undefined for any other comment. */
export function parseFirewallSeal(comment: string): FirewallSeal | undefined {
  const [, device, hash, count] = /^podwire (\S+) ([0-9a-f]{16}) (\d{1,4})$/.exec(comment) ?? []
  if (device === undefined || hash === undefined) return undefined
  return { device, hash, ruleCount: Number(count) }
}

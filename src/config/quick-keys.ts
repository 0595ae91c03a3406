// The keys of [Interface] that belong to wg-quick(8): `strip` leaves them out, and wg(8) does not know them.

export const quickKeys: readonly string[] = [
  'Address',
  'DNS',
  'MTU',
  'Table',
  'PreUp',
  'PostUp',
  'PreDown',
  'PostDown',
  'SaveConfig',
]

const names = new Set(quickKeys.map(key => key.toLowerCase()))

/** Whether a key is one of them, in whichever case. */
export function isQuickKey(key: string): boolean {
  return names.has(key.toLowerCase())
}

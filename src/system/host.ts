// The host as podwire sees it: the doors to the kernel and to the device through which its state is observed and changed.

import type { Clock } from '../base/clock.ts'
import type { PublicKey } from '../base/key.ts'
import type { Secret } from '../base/secret.ts'
import type { Device } from '../model/device.ts'
import type { Links } from '../native/link.ts'
import type { Nftables } from './nftables.ts'

export interface Host {
  readonly deviceName: string
  readonly device: Device
  readonly links: Links
  readonly nftables: Nftables
  readonly clock: Pick<Clock, 'wallMs'>
  /** A device says its private key only. */
  readonly publicKeyOf: (privateKey: Secret) => PublicKey
}

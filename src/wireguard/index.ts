// `podwire/wireguard`: WireGuard for programs. Keys, and a device of this machine as data: what it says, and what it is told.
// What is not exported here may change at any time.

export { type ErrorCode, PodwireError } from '../base/errors.ts'
export { type PublicKey, parsePublicKey, parseSecretKey } from '../base/key.ts'
export { Secret } from '../base/secret.ts'
export type { Device, DeviceChange, DeviceState, PeerChange, PeerState } from '../model/device.ts'
export type { DeviceStatus } from './device-status.ts'
export { type ListedDevice, listDevices, openDevice } from './devices.ts'
export { generatePresharedKey, generatePrivateKey, publicKeyOf } from './keys.ts'
export { connectUapi, requestStatus } from './uapi-client.ts'

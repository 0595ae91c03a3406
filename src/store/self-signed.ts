// A certificate around an Ed25519 key, signed by that key, and the pin by which others know the key. Nobody reads its names or
// dates: whoever checks it looks at the key, so that no clock matters and a certificate made anew is as good as the last.
// By hand, since a library would cost each agent megabytes for these few fields (RFC 5280, 4.1; RFC 8410).

import { createHash, createPublicKey, type KeyObject, sign } from 'node:crypto'

const tags = { integer: 0x02, bits: 0x03, oid: 0x06, utf8: 0x0c, utcTime: 0x17, time: 0x18, sequence: 0x30, set: 0x31 }
const ed25519 = der('sequence', der('oid', Buffer.from('2b6570', 'hex')))
const commonName = der('oid', Buffer.from('550403', 'hex'))
/** RFC 5280, 4.1.2.5: the end of a certificate that has none. */
const validity = der('sequence', der('utcTime', '700101000000Z'), der('time', '99991231235959Z'))

/** The certificate (PEM) of a private key, named `name`, which is in clear on the wire. */
export function selfSigned(key: KeyObject, name: string): string {
  const names = der('sequence', der('set', der('sequence', commonName, der('utf8', name))))
  const serial = der('integer', Buffer.from([1]))
  const content = der('sequence', serial, ed25519, names, validity, names, spkiOf(createPublicKey(key)))
  const certificate = der('sequence', content, ed25519, der('bits', Buffer.from([0]), sign(null, content, key)))
  const lines = certificate.toString('base64').replace(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

/** SHA-256 of a public key's SubjectPublicKeyInfo, base64url. */
export function pinOf(publicKey: KeyObject): string {
  return createHash('sha256').update(spkiOf(publicKey)).digest('base64url')
}

function spkiOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' })
}

function der(tag: keyof typeof tags, ...parts: readonly (Buffer | string)[]): Buffer {
  const content = Buffer.concat(parts.map(part => Buffer.from(part as string)))
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tags[tag], ...size]), content])
}

// `wg genkey`, `wg genpsk`, `wg pubkey`.

import { fstatSync } from 'node:fs'
import { formatSecretKey, parseSecretKey } from '../../base/key.ts'
import type { Secret } from '../../base/secret.ts'
import { generatePresharedKey, generatePrivateKey, publicKeyOf } from '../../wireguard/keys.ts'
import { sayUsage, sayWarning } from './say.ts'

export async function generateKey(args: readonly string[], program: string): Promise<number> {
  return args.length > 0 ? sayUsage(`${program} genkey`, 1) : printSecret(generatePrivateKey())
}

export async function generatePsk(args: readonly string[], program: string): Promise<number> {
  return args.length > 0 ? sayUsage(`${program} genpsk`, 1) : printSecret(generatePresharedKey())
}

function printSecret(key: Secret): number {
  const stat = fstatSync(1)
  if (stat.isFile() && (stat.mode & 0o007) !== 0) {
    sayWarning('the file that gets this key can be read by everyone; set `umask 077` before, and make another key')
  }
  process.stdout.write(`${formatSecretKey(key)}\n`)
  return 0
}

/** Longer than any key with the blanks behind it. */
const maxInput = 4096

export async function publicKey(args: readonly string[], program: string): Promise<number> {
  if (args.length > 0) return sayUsage(`${program} pubkey`, 1)
  let text = ''
  for await (const chunk of process.stdin.setEncoding('latin1')) {
    text += chunk
    if (text.length > maxInput) break
  }
  // Blanks behind it end a line; before it they are no part of a key.
  process.stdout.write(`${publicKeyOf(parseSecretKey(text.trimEnd(), 'standard input'))}\n`)
  return 0
}

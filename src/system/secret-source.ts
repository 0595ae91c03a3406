// Fetches the secret that a configuration names instead of having it: from a file, the environment, or a program's output.
// Whatever goes wrong, no error has a character of what was found there.

import { execFile } from 'node:child_process'
import { podwireError } from '../base/errors.ts'
import { parseSecretKey } from '../base/key.ts'
import { Secret, type SecretSource } from '../base/secret.ts'
import { readKey } from './secrets.ts'

/** Long enough for a person to unlock a password store. */
const commandTimeoutMs = 120_000
/** A key is 44 characters and the end of its line. */
const maxOutputBytes = 1024

/** Variables that only this process still knows. */
const hidden = new Map<string, string>()

/** Takes a variable out of the environment, so that no program gets it that is run from then on; `readSecret` still finds it. */
export function hideVariable(name: string): void {
  const text = process.env[name]
  if (text === undefined) return
  hidden.set(name, text)
  delete process.env[name]
}

/**
 * The secret; `where` names its place in the configuration ("interface.privateKey").
 * Errors: ERR_PODWIRE_SECRET, ERR_PODWIRE_KEY, ERR_PODWIRE_KEY_EXPOSED (a file that others can read), ERR_PODWIRE_SYSTEM.
 */
export async function readSecret(source: SecretSource, where: string): Promise<Secret> {
  if (source instanceof Secret) return source
  if ('file' in source) return (await readKey(source.file)) ?? lacks(where, source.file, 'there is no such file')
  if ('env' in source) {
    const text = hidden.get(source.env) ?? process.env[source.env]
    const name = `the environment variable ${source.env}`
    return text === undefined ? lacks(where, name, 'it is not set') : parseSecretKey(text.trim(), `${where}: ${name}`)
  }
  return parseSecretKey((await outputOf(source.command, where)).trim(), `${where}: the output of ${source.command[0]}`)
}

/** What a program prints, run without a shell. Neither its output nor its arguments are in the error. */
function outputOf([program = '', ...args]: readonly string[], where: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: commandTimeoutMs, maxBuffer: maxOutputBytes }
    const child = execFile(program, args, options, (error, stdout) => {
      if (error === null) return resolve(stdout)
      const { code, signal, killed } = error
      const reason =
        code === 'ENOENT'
          ? 'there is no such program'
          : code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER'
            ? 'it printed more than a key'
            : killed
              ? `it did not end within ${commandTimeoutMs / 1000} s`
              : `it ended with ${signal ?? `status ${code}`}`
      // No cause: execFile's error quotes the arguments and what was printed.
      reject(podwireError('ERR_PODWIRE_SECRET', { where, source: `the program ${program}`, reason }))
    })
    // One that reads its input finds the end of it, and does not wait for what nobody writes.
    child.stdin?.on('error', () => {}).end()
  })
}

function lacks(where: string, source: string, reason: string): never {
  throw podwireError('ERR_PODWIRE_SECRET', { where, source, reason })
}

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { PodwireError } from '../../../src/base/errors.ts'
import { exec } from '../../../src/base/exec.ts'
import { Secret } from '../../../src/base/secret.ts'
import { readKey, readOrCreateKey } from '../../../src/system/secrets.ts'

const generate = () => new Secret(new Uint8Array(randomBytes(32)))
const never = () => assert.fail('a key was made')

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-secrets-'))
  await run(folder).finally(() => rmSync(folder, { recursive: true }))
}

test('key file: made once with the right modes, and read again', () =>
  withFolder(async folder => {
    const file = join(folder, 'state', 'wg0.key')
    const made = await readOrCreateKey(file, generate)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal(statSync(join(folder, 'state')).mode & 0o777, 0o700)
    assert.deepEqual(readdirSync(join(folder, 'state')), ['wg0.key'])
    assert.equal(readFileSync(file, 'utf8'), `${Buffer.from(made.bytes).toString('base64')}\n`)
    assert.deepEqual((await readOrCreateKey(file, never)).bytes, made.bytes)
  }))

test('key file: of many that start at once all get the one key', () =>
  withFolder(async folder => {
    const file = join(folder, 'wg0.key')
    const keys = await Promise.all(Array.from({ length: 16 }, () => readOrCreateKey(file, generate)))
    assert.equal(new Set(keys.map(key => Buffer.from(key.bytes).toString('hex'))).size, 1)
    assert.deepEqual(readdirSync(folder), ['wg0.key'])
  }))

test('key file: one that others can read is refused with the command that mends it', () =>
  withFolder(async folder => {
    const file = join(folder, 'wg0.key')
    const key = await readOrCreateKey(file, generate)
    for (const mode of [0o644, 0o640, 0o604, 0o602, 0o610]) {
      chmodSync(file, mode)
      await assert.rejects(readOrCreateKey(file, never), (error: PodwireError) => {
        assert.equal(error.code, 'ERR_PODWIRE_KEY_EXPOSED')
        assert.ok(error.message.includes(`0${mode.toString(8)}`), error.message)
        assert.ok(error.hint.includes(`chmod 600 ${file}`), error.hint)
        assert.match(error.hint, /remove it, and a new key is made\.$/)
        return true
      })
      // Nobody makes the key of a configuration anew.
      const hint = /^Run `chmod .*, make another with `podwire wg genkey` and tell the peers\.$/
      await assert.rejects(readKey(file), { code: 'ERR_PODWIRE_KEY_EXPOSED', hint })
    }
    for (const mode of [0o600, 0o400]) {
      chmodSync(file, mode)
      assert.deepEqual((await readOrCreateKey(file, never)).bytes, key.bytes)
    }
  }))

test('key file: what is not a key is refused by its path, unchanged and unsaid', () =>
  withFolder(async folder => {
    const good = randomBytes(32).toString('base64')
    for (const [i, text] of ['', 'short', good.slice(1), `${good}x`, `${good}\n${good}`, '\0'.repeat(44)].entries()) {
      const file = join(folder, `${i}.key`)
      writeFileSync(file, text, { mode: 0o600 })
      await assert.rejects(readOrCreateKey(file, never), (error: PodwireError) => {
        assert.equal(error.code, 'ERR_PODWIRE_KEY')
        assert.ok(error.message.includes(file))
        assert.ok(text === '' || !inspect(error).includes(text), 'the text is in the error')
        return true
      })
      assert.equal(readFileSync(file, 'utf8'), text)
    }
  }))

test('key file: a pipe or a file that is far too large is refused, and not waited for', () =>
  withFolder(async folder => {
    const pipe = join(folder, 'pipe.key')
    await exec(['mkfifo', '-m', '600', pipe])
    const large = join(folder, 'large.key')
    writeFileSync(large, Buffer.alloc(1 << 20, 'A'), { mode: 0o600 })
    for (const file of [pipe, large]) {
      await assert.rejects(readOrCreateKey(file, never), { code: 'ERR_PODWIRE_KEY', message: /not a file of one line/ })
    }
  }))

test('key file: a place where none can be is said as it is', () =>
  withFolder(async folder => {
    writeFileSync(join(folder, 'file'), '')
    for (const file of [join(folder, 'file', 'wg0.key'), folder]) {
      await assert.rejects(readOrCreateKey(file, generate), (error: PodwireError) => {
        assert.ok(error instanceof PodwireError)
        assert.ok(error.message.includes(file) && !error.message.includes('undefined'), error.message)
        return true
      })
    }
  }))

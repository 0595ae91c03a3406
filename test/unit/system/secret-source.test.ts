import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { PodwireError } from '../../../src/base/errors.ts'
import { Secret, type SecretSource } from '../../../src/base/secret.ts'
import { readSecret } from '../../../src/system/secret-source.ts'

const key = 'yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk='
const folder = mkdtempSync(join(tmpdir(), 'podwire-secret-source-test-'))
after(() => rmSync(folder, { recursive: true }))

function fileWith(name: string, text: string, mode = 0o600): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  chmodSync(file, mode)
  return file
}
const variable = 'PODWIRE_TEST_SECRET'

const good: [name: string, source: SecretSource][] = [
  ['a value', new Secret(new Uint8Array(Buffer.from(key, 'base64')))],
  ['a file', { file: fileWith('good', `${key}\n`) }],
  ['the environment', { env: variable }],
  ['a program, without a shell', { command: ['printf', '%s\n', key] }],
  ['a program that reads its input to the end', { command: ['sh', '-c', `cat; echo ${key}`] }],
]
for (const [name, source] of good) {
  test(`secret source: ${name}`, async () => {
    process.env[variable] = ` ${key}\n`
    const secret = await readSecret(source, 'interface.privateKey')
    assert.equal(Buffer.from(secret.bytes).toString('base64'), key)
  })
}

const bad: [name: string, source: SecretSource, code: string, says: RegExp][] = [
  ['no file', { file: join(folder, 'none') }, 'ERR_PODWIRE_SECRET', /privateKey: .*none: there is no such file/],
  ['a file that others can read', { file: fileWith('open', key, 0o640) }, 'ERR_PODWIRE_KEY_EXPOSED', /mode 0640/],
  ['a file with more', { file: fileWith('more', `${key}\n${key}\n`) }, 'ERR_PODWIRE_KEY', /more: not a key/],
  ['no variable', { env: 'PODWIRE_TEST_NONE' }, 'ERR_PODWIRE_SECRET', /PODWIRE_TEST_NONE: it is not set/],
  ['a variable with no key', { env: 'PATH' }, 'ERR_PODWIRE_KEY', /environment variable PATH: not a key/],
  ['no program', { command: ['podwire-no-such-program'] }, 'ERR_PODWIRE_SECRET', /there is no such program/],
  ['a program that fails', { command: ['sh', '-c', `echo ${key}; echo ${key} >&2; exit 3`] }, 'ERR_PODWIRE_SECRET', /the program sh: it ended with status 3/],
  ['a program that is killed', { command: ['sh', '-c', `kill -9 $$ # ${key}`] }, 'ERR_PODWIRE_SECRET', /it ended with SIGKILL/],
  ['a program that prints no key', { command: ['echo', `${key}x`] }, 'ERR_PODWIRE_KEY', /the output of echo: not a key/],
  ['a program that prints too much', { command: ['seq', '10000'] }, 'ERR_PODWIRE_SECRET', /more than a key/],
] // biome-ignore format: a table
for (const [name, source, code, says] of bad) {
  test(`secret source: refuses ${name}, without a word of it`, async () => {
    await assert.rejects(readSecret(source, 'interface.privateKey'), error => {
      assert.ok(error instanceof PodwireError)
      assert.equal(error.code, code)
      assert.match(error.message, says)
      assert.ok(!`${error.stack} ${JSON.stringify(error.cause)}`.includes(key.slice(0, 20)))
      return true
    })
  })
}

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readText } from '../../../src/system/read-text.ts'

const folder = mkdtempSync(join(tmpdir(), 'podwire-read-'))
after(() => rmSync(folder, { recursive: true }))
const file = join(folder, 'wg0.conf')

for (const text of ['', 'a\nb', '# Köln – 東京 🙂\r\n', '\ufeff[Interface]\n']) {
  test(`read text: ${JSON.stringify(text)} stays as it is`, async () => {
    writeFileSync(file, text)
    assert.equal(await readText(file), text)
  })
}

const notUtf8: [name: string, bytes: number[], line: number][] = [
  ['Latin-1', [0x0a, 0x23, 0xe9, 0x0a, 0x0a], 2],
  ['half a character at the end', [0x0a, 0x0a, 0xc3], 3],
  ['half a character at the end of a line', [0x61, 0xc3, 0x0a, 0xa9], 1],
  ['half of a surrogate pair', [0x61, 0x0a, 0xed, 0xa0, 0x80], 2],
]
for (const [name, bytes, line] of notUtf8) {
  test(`read text: ${name} is refused, with the line`, async () => {
    writeFileSync(file, Uint8Array.from(bytes))
    await assert.rejects(readText(file), {
      code: 'ERR_PODWIRE_DOCUMENT',
      message: new RegExp(`wg0\\.conf: line ${line}: the bytes are not UTF-8`),
    })
  })
}

const unreadable: [name: string, file: string, reason: RegExp][] = [
  ['a folder', folder, /cannot be read: it is a folder$/],
  ['a file that is not there', join(folder, 'no.conf'), /cannot be read: there is no such file$/],
  ['a path through a file', '/etc/hostname/no.conf', /cannot be read: ENOTDIR/],
]
for (const [name, given, message] of unreadable) {
  test(`read text: ${name} is said`, async () => {
    await assert.rejects(readText(given), { code: 'ERR_PODWIRE_FILE', message })
  })
}

test('read text: UTF-16 is named, and what is too large is no configuration', async () => {
  writeFileSync(file, Uint8Array.of(0xff, 0xfe, 0x5b, 0x00))
  await assert.rejects(readText(file), { code: 'ERR_PODWIRE_DOCUMENT', message: /line 1: .* UTF-16: save it as UTF-8/ })
  writeFileSync(file, Buffer.alloc(17 << 20, 0x0a))
  await assert.rejects(readText(file), {
    code: 'ERR_PODWIRE_FILE',
    message: /it has 17 MiB, and a configuration has at most 16/,
  })
})

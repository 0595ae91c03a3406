import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { exec } from '../../../src/base/exec.ts'
import { pinOf, selfSigned } from '../../../src/store/self-signed.ts'

test('self-signed: openssl and Node.js read the certificate as what it is', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const pem = selfSigned(privateKey, 'podwire')
  const read = new X509Certificate(pem)
  assert.ok(read.verify(createPublicKey(privateKey)))
  assert.ok(!read.verify(generateKeyPairSync('ed25519').publicKey))
  assert.equal(read.subject, 'CN=podwire')
  assert.deepEqual([read.validFrom, read.validTo], ['Jan  1 00:00:00 1970 GMT', 'Dec 31 23:59:59 9999 GMT'])
  assert.equal(selfSigned(privateKey, 'podwire'), pem, 'always the same')
  // What anyone makes of it by hand is the pin.
  const spki = `openssl x509 -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64`
  const { stdout } = await exec(['sh', '-c', spki], { input: pem })
  assert.equal(Buffer.from(stdout.trim(), 'base64').toString('base64url'), pinOf(publicKey))
  const { stdout: text } = await exec(['openssl', 'x509', '-noout', '-text'], { input: pem })
  assert.match(text, /Signature Algorithm: ED25519/)
  for (const length of [1, 100, 300]) new X509Certificate(selfSigned(privateKey, 'x'.repeat(length)))
})

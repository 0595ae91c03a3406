import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GrpcError } from '../../../../src/store/etcd/grpc-error.ts'
import { decodeRange, decodeTxn, decodeWatch, encodeRange, encodeTxn } from '../../../../src/store/etcd/messages.ts'
import { bytesField, fieldsOf, intField } from '../../../../src/store/etcd/wire.ts'

const hex = (...texts: string[]) => Buffer.from(texts.join('').replaceAll(' ', ''), 'hex')

test('etcd wire: integers of up to 2^53 and bytes are read as they were written', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 500_000 }),
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      fc.uint8Array({ maxLength: 300 }),
      (number, int, bytes) => {
        const message = Buffer.concat([intField(number, int), bytesField(number, bytes)])
        const [first, second] = [...fieldsOf(message)]
        assert.deepEqual([first?.number, first?.int], [number, int])
        assert.deepEqual([second?.number, [...(second?.bytes ?? [])]], [number, [...bytes]])
      },
    ),
  )
})

test('etcd messages: requests are the bytes that protoc makes', () => {
  const range = encodeRange({ key: 'a', end: 'b', limit: 300, revision: 5, keysOnly: true, minModRevision: 6 })
  assert.equal(range.toString('hex'), hex('0a0161 120162 18ac02 2005 4001 5006').toString('hex'))
  const txn = encodeTxn({
    compare: [
      { key: 'k', target: 'create', is: 'equal', revision: 0 },
      { key: 'k', target: 'mod', is: 'not equal', revision: 7 },
    ],
    success: [{ put: 'k', value: 'v' }],
    failure: [{ get: 'k' }, { remove: 'k' }],
  })
  const expected = hex('0a05 1001 1a016b', '0a09 0803 1002 1a016b 3007', '1208 1206 0a016b 120176', '1a05 0a03 0a016b')
  assert.equal(txn.toString('hex'), Buffer.concat([expected, hex('1a05 1a03 0a016b')]).toString('hex'))
})

test('etcd messages: answers are read, with fields that nobody knows passed over', () => {
  const header = bytesField(1, [intField(1, 9), intField(3, 42), intField(77, 1)])
  const kv = [bytesField(1, 'k'), intField(2, 3), intField(3, 4), bytesField(5, 'v')]
  const range = decodeRange(
    Buffer.concat([header, bytesField(2, kv), intField(3, 1), intField(4, 8), hex('990601020304 05060708')]),
  )
  assert.deepEqual(range.header, { clusterId: 9, revision: 42 })
  assert.deepEqual([range.more, range.count], [true, 8])
  assert.deepEqual(range.kvs, [{ key: 'k', createRevision: 3, modRevision: 4, value: Buffer.from('v') }])
  const found = bytesField(3, [bytesField(1, [header, bytesField(2, kv)])])
  const none = bytesField(3, [bytesField(1, [header])])
  const put = bytesField(3, [bytesField(2, [header])])
  const txn = decodeTxn(Buffer.concat([header, intField(2, 1), put, none, found]))
  assert.deepEqual([txn.succeeded, txn.found.map(one => one?.key)], [true, [undefined, 'k']])
  const gone = bytesField(11, [intField(1, 1), bytesField(2, kv)])
  const watch = decodeWatch(Buffer.concat([header, intField(7, 1), bytesField(11, [bytesField(2, kv)]), gone]))
  assert.deepEqual(
    [watch.fragment, watch.canceled, watch.events.map(({ kind }) => kind)],
    [true, false, ['put', 'delete']],
  )
})

test('etcd messages: what is no message ends with an error, never otherwise', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
      for (const decode of [decodeRange, decodeTxn, decodeWatch]) {
        try {
          decode(Buffer.from(bytes))
        } catch (error) {
          assert.ok(error instanceof GrpcError, String(error))
        }
      }
    }),
    { numRuns: 500 },
  )
})

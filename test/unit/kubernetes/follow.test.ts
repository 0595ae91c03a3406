import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError } from '../../../src/kubernetes/client.ts'
import { follow } from '../../../src/kubernetes/follow.ts'
import type { Resource } from '../../../src/kubernetes/resource.ts'

/** What the server does with the next request: refuses it, or sends lines and then ends, or breaks. */
type Answer = { refuses: Error } | { page: { name: string; version: string }[] } | { lines: object[]; breaks?: Error }

const object = (name: string, resourceVersion: string) => ({ metadata: { name, resourceVersion } })
const added = (name: string, version: string) => ({ type: 'ADDED', object: object(name, version) })
const deleted = (name: string, version: string) => ({ type: 'DELETED', object: object(name, version) })
const failed = (code: number, message: string) => ({ type: 'ERROR', object: { code, message, metadata: {} } })
const bookmark = (resourceVersion: string, isEnd = false) => {
  const annotations = isEnd ? { 'k8s.io/initial-events-end': 'true' } : {}
  return { type: 'BOOKMARK', object: { metadata: { name: '', resourceVersion, annotations } } }
}
const begun = { lines: [added('a', '5'), bookmark('7', true)] }
const broken = new Error('broken')

/** Plays the answers, and ends after the last. What was asked, and what was said. */
async function play(answers: readonly Answer[]): Promise<{ asked: string[]; said: string[] }> {
  const asked: string[] = []
  const said: string[] = []
  const ending = new AbortController()
  const left = [...answers]
  const next = (query: string) => {
    const answer = left.shift()
    if (answer === undefined) {
      ending.abort()
      throw new Error('the end')
    }
    asked.push(query.replace(/&?timeoutSeconds=(\d+)/, (_, seconds) => (Number(seconds) < 10 ? ' short' : '')))
    if ('refuses' in answer) throw answer.refuses
    return answer
  }
  const resource = {
    path: '',
    client: {
      async stream(path: string, { onOpen, onLine }: { onOpen: () => void; onLine: (line: unknown) => void }) {
        const answer = next(path.replace('?watch=1&allowWatchBookmarks=true&', ''))
        assert.ok('lines' in answer)
        onOpen()
        for (const line of answer.lines) onLine(line)
        if (answer.breaks) throw answer.breaks
      },
    },
    async *pages() {
      const answer = next('list')
      assert.ok('page' in answer)
      const items = answer.page.map(({ name, version }) => object(name, version))
      yield { items, metadata: { resourceVersion: '20' } }
    },
  }
  await follow(
    resource as unknown as Resource,
    {
      onWhole: () => said.push('whole'),
      onObject: ({ metadata: { name } }) => said.push(`+${name}`),
      onGone: name => said.push(`-${name}`),
      onCurrent: () => said.push('current'),
      onLost: reason => said.push(`lost: ${reason}`),
      onConnected: () => said.push('connected'),
    },
    ending.signal,
  )
  return { asked, said }
}

const begins = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion='
const whole = ['whole', '+a', 'current']

const cases: Record<string, { answers: Answer[]; asked: string[]; said: string[] }> = {
  'begins with all there is, and goes on from there': {
    answers: [begun, { lines: [added('b', '9'), deleted('a', '10')] }, { lines: [] }],
    asked: [begins, 'resourceVersion=7', 'resourceVersion=10'],
    said: [...whole, '+b', '-a'],
  },
  'a server without WatchList is asked for a list': {
    answers: [{ refuses: new ApiError(422, 'no') }, { page: [{ name: 'a', version: '3' }] }, { lines: [] }],
    asked: [begins, 'list', 'resourceVersion=20'],
    said: whole,
  },
  'a server whose etcd is too old for WatchList begins, and gives up': {
    answers: [{ lines: [failed(500, 'no')] }, { page: [{ name: 'a', version: '3' }] }, { lines: [] }],
    asked: [begins, 'list', 'resourceVersion=20'],
    said: ['whole', ...whole],
  },
  'a break that is over at once is not said': {
    answers: [{ ...begun, breaks: broken }, { lines: [bookmark('9')] }, { lines: [] }],
    asked: [begins, 'resourceVersion=7 short', 'resourceVersion=9'],
    said: [...whole, 'current'],
  },
  'a break that lasts is said, and what was missed, before all is current': {
    answers: [
      { ...begun, breaks: broken },
      { refuses: new Error('refused') },
      { lines: [added('b', '8'), bookmark('9')] },
    ],
    asked: [begins, 'resourceVersion=7 short', 'resourceVersion=7 short'],
    said: [...whole, 'lost: refused', 'connected', '+b', 'current'],
  },
  'a server that forgot what changed is asked for all: as a status': {
    answers: [begun, { refuses: new ApiError(410, 'gone') }, begun],
    asked: [begins, 'resourceVersion=7', begins],
    said: [...whole, ...whole],
  },
  'a server that forgot what changed is asked for all: as an event': {
    answers: [begun, { lines: [failed(410, 'gone')] }, begun],
    asked: [begins, 'resourceVersion=7', begins],
    said: [...whole, ...whole],
  },
  'a server that was restored from a backup is asked for all': {
    answers: [begun, { lines: [bookmark('6')] }, begun],
    asked: [begins, 'resourceVersion=7', begins],
    said: [...whole, ...whole],
  },
  'a server that refuses is lost, with its reason': {
    answers: [{ refuses: new ApiError(403, 'forbidden') }, begun],
    asked: [begins, begins],
    said: ['lost: forbidden', 'connected', ...whole],
  },
  'a server without bookmarks is current when a short watch ends': {
    answers: [{ ...begun, breaks: broken }, { lines: [added('b', '8')] }, { lines: [] }],
    asked: [begins, 'resourceVersion=7 short', 'resourceVersion=8'],
    said: [...whole, '+b', 'current'],
  },
}

for (const [name, { answers, asked, said }] of Object.entries(cases)) {
  test(`follow: ${name}`, async () => {
    assert.deepEqual(await play(answers), { asked, said })
  })
}

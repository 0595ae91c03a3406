// Lists a range of keys in pages, all as of one revision: thousands of records are no single message.

import type { EtcdClient } from './client.ts'
import { GrpcError, grpcStatus } from './grpc-error.ts'
import type { Range, RangeRequest } from './messages.ts'

const pageKeys = 1_000

interface Listing extends Omit<RangeRequest, 'limit'> {
  readonly end: string
}

/** The `count` of each page is that of the whole range. Errors: those of `range`. */
export async function* listPages(client: EtcdClient, listing: Listing): AsyncGenerator<Range> {
  let { key, revision } = listing
  let count: number | undefined
  for (let limit = pageKeys; ; ) {
    let page: Awaited<ReturnType<EtcdClient['range']>>
    try {
      page = await client.range({ ...listing, key, limit, ...(revision && { revision }) })
    } catch (error) {
      // Somebody wrote long values: a smaller page has fewer of them.
      const isTooLong = error instanceof GrpcError && error.status === grpcStatus.resourceExhausted && !error.isAnswer
      if (!isTooLong || limit === 1) throw error
      limit = Math.ceil(limit / 8)
      continue
    }
    revision ??= page.header.revision
    count ??= page.count
    yield { ...page, count }
    const last = page.kvs.at(-1)
    if (!page.more || last === undefined) return
    key = `${last.key}\0`
  }
}

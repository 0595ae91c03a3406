// One kind of object, with the requests that podwire makes of it. Cluster-scoped: none of ours is in a namespace.

import { ApiError, type KubernetesClient } from './client.ts'

export interface KubeObject {
  readonly metadata: {
    readonly name: string
    readonly uid?: string
    readonly resourceVersion?: string
    /** Grows with each change of the spec. */
    readonly generation?: number
    readonly creationTimestamp?: string
    readonly annotations?: Readonly<Record<string, string>>
    readonly ownerReferences?: readonly OwnerReference[]
  }
  readonly spec?: unknown
}

/** The object goes when its owner does. */
export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
}

export interface ListPage {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string }
  readonly items: readonly KubeObject[]
}

const pageSize = 500

export class Resource {
  readonly client: KubernetesClient
  /** "podwirenodes" */
  readonly plural: string
  /** "/apis/podwire.dev/v1alpha1/podwirenodes" */
  readonly path: string

  constructor(client: KubernetesClient, group: string, plural: string) {
    this.client = client
    this.plural = plural
    this.path = `${group}/${plural}`
  }

  /** Undefined if there is none. Errors: ApiError; else what failed below; of all that follow too. */
  async get(name: string): Promise<KubeObject | undefined> {
    return unless(404, () => this.client.request({ method: 'GET', path: this.#pathOf(name) }))
  }

  /** False if there is one of that name. */
  async create(body: object): Promise<boolean> {
    return (await unless(409, () => this.client.request({ method: 'POST', path: this.path, body }))) !== undefined
  }

  /** False if it is not the version any more that the object says. */
  async replace(object: KubeObject): Promise<boolean> {
    const request = { method: 'PUT', path: this.#pathOf(object.metadata.name), body: object } as const
    return (await unless(409, () => unless(404, () => this.client.request(request)))) !== undefined
  }

  /** Deletes this one, and none that was made under its name since. */
  async delete({ metadata: { name, uid } }: KubeObject): Promise<void> {
    const body = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid } }
    await unless(409, () =>
      unless(404, () => this.client.request({ method: 'DELETE', path: this.#pathOf(name), body })),
    )
  }

  /** All of them, page by page; the last page says their version as a whole. */
  async *pages(): AsyncGenerator<ListPage> {
    for (let next: string | undefined = ''; next !== undefined; ) {
      const query = `limit=${pageSize}${next && `&continue=${encodeURIComponent(next)}`}`
      const page = (await this.client.request({ method: 'GET', path: `${this.path}?${query}` })) as ListPage
      yield page
      next = page.metadata.continue || undefined
    }
  }

  async list(): Promise<KubeObject[]> {
    const objects: KubeObject[] = []
    for await (const { items } of this.pages()) objects.push(...items)
    return objects
  }

  #pathOf(name: string): string {
    return `${this.path}/${encodeURIComponent(name)}`
  }
}

async function unless<T>(status: number, run: () => Promise<T>): Promise<KubeObject | undefined> {
  try {
    return (await run()) as KubeObject | undefined
  } catch (error) {
    if (error instanceof ApiError && error.status === status) return undefined
    throw error
  }
}

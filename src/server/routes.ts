// What may be asked of the server, and by whom. A caller is root, through the socket in the state's folder; or a node, known by
// the key that its TLS connection was made with; or a key that nobody knows yet, which may only join.
//
//   GET network, nodes, nodes/NAME, claims   PUT network (root)   PUT, DELETE nodes/NAME   POST claims, release
//   POST join   GET, POST tokens, DELETE tokens/ID (root)         and POST watch, which watchers.ts answers

import { podwireError } from '../base/errors.ts'
import type { PublicKey } from '../base/key.ts'
import type { Log } from '../base/log.ts'
import { Secret } from '../base/secret.ts'
import { type Field, objectFields, placeOf, refuse, stringValue } from '../model/document.ts'
import { formatJoinToken } from '../model/join-token.ts'
import { parseName } from '../model/name.ts'
import { readNetworkConfig } from '../model/network-config.ts'
import { readClaim, readNodeRecord } from '../model/node-record.ts'
import { Attempts } from './attempts.ts'
import type { ServerState } from './state.ts'
import { readTokenRequest } from './tokens.ts'

export interface Caller {
  /** The key of its connection; absent: root. */
  readonly key?: PublicKey
  /** Where it comes from. */
  readonly address: string
}

export interface Request {
  readonly method: string
  /** What follows "/v1/", decoded. */
  readonly path: string
  readonly body: Field
}

/** Whoever made the key of the caller; undefined: root. Errors: ERR_PODWIRE_NODE_REMOVED, ERR_PODWIRE_STORE_DENIED. */
export function nodeOf({ identities }: ServerState, { key, address }: Caller): string | undefined {
  if (key === undefined) return undefined
  const identity = identities.of(key)
  if (identity === undefined) {
    throw podwireError('ERR_PODWIRE_STORE_DENIED', {
      who: address,
      reason: 'its identity is of no node here: join first',
    })
  }
  if (identity.removedMs === undefined) return identity.node
  throw podwireError('ERR_PODWIRE_NODE_REMOVED', { name: identity.node, key })
}

export class Routes {
  readonly #state: ServerState
  readonly #log: Log
  readonly #attempts = new Attempts()
  /** One change is made at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(state: ServerState, log: Log) {
    this.#state = state
    this.#log = log
  }

  /** Done with all that was begun. */
  async settled(): Promise<void> {
    await this.#turn.catch(() => {})
  }

  /** The answer, as JSON will have it. Errors: those of what is asked. */
  async answer(caller: Caller, { method, path, body }: Request): Promise<unknown> {
    const { records, tokens } = this.#state
    const [kind = '', name] = path.split('/', 2)
    const route = `${method} ${kind}${name === undefined ? '' : '/'}`
    if (route === 'POST join') return this.#join(caller, body)
    const node = nodeOf(this.#state, caller)
    switch (route) {
      case 'GET network':
        if (records.network === undefined) throw this.#refusal('reading the network', 'there is none yet')
        return records.network
      case 'GET nodes':
        return records.nodes()
      case 'GET nodes/':
        return records.node(name ?? '') ?? null
      case 'GET claims':
        return records.claims()
      case 'PUT nodes/': {
        const record = readNodeRecord(body)
        if (record.name !== name) throw refuse(body, `its name is not "${name}"`)
        this.#own(node, record.name)
        return this.#inTurn(caller, 'writing a record', () => records.writeNode(record))
      }
      case 'DELETE nodes/':
        this.#own(node, name ?? '')
        return this.#inTurn(caller, 'removing a node', () => this.#removeNode(name ?? ''))
      case 'POST claims': {
        const claim = readClaim(body)
        this.#own(node, claim.node)
        return this.#inTurn(caller, 'claiming a prefix', () => records.claim(claim, node === undefined))
      }
      case 'POST release': {
        const claim = readClaim(body)
        this.#own(node, claim.node)
        return this.#inTurn(caller, 'releasing a prefix', () => records.release(claim))
      }
    }
    if (node !== undefined) {
      throw podwireError('ERR_PODWIRE_STORE_DENIED', { who: `"${node}"`, reason: `${route} is for root on the server` })
    }
    switch (route) {
      case 'PUT network': {
        const network = readNetworkConfig(body)
        return this.#inTurn(caller, 'writing the network', () => records.createNetwork(network))
      }
      case 'GET tokens':
        return tokens.list().map(({ hash: _, ...token }) => token)
      case 'POST tokens':
        return this.#inTurn(caller, 'making a token', () => this.#createToken(body))
      case 'DELETE tokens/':
        return this.#inTurn(caller, 'revoking a token', () => tokens.revoke(name ?? ''))
      default:
        throw refuse(body, `nothing is known of ${method} /v1/${path}`)
    }
  }

  /** Changes nothing for a caller whose node was removed while it waited. */
  #inTurn<T>(caller: Caller, what: string, run: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(async () => {
      if (what !== joining) nodeOf(this.#state, caller)
      try {
        return await run()
      } catch (error) {
        if ((error as NodeJS.ErrnoException).syscall === undefined) throw error
        this.#log.error({ what, reason: String(error) }, 'the disk did not take a change')
        throw this.#refusal(what, (error as Error).message)
      }
    })
    this.#turn = done.catch(() => {})
    return done
  }

  #refusal(what: string, reason: string): Error {
    return podwireError('ERR_PODWIRE_STORE', { store: this.#state.address, what, reason })
  }

  #own(node: string | undefined, name: string): void {
    if (node === undefined || node === name) return
    throw podwireError('ERR_PODWIRE_STORE_DENIED', { who: `"${node}"`, reason: `that is for "${name}" to say` })
  }

  async #removeNode(name: string): Promise<boolean> {
    const hadRecord = await this.#state.records.removeNode(name)
    const hadIdentity = await this.#state.identities.remove(name)
    this.#state.records.log.nudge()
    if (hadRecord || hadIdentity) this.#log.info({ node: name }, 'a node was removed')
    return hadRecord || hadIdentity
  }

  async #createToken(body: Field): Promise<unknown> {
    const { address, pin, records, tokens } = this.#state
    const request = readTokenRequest(body)
    if (records.network === undefined) throw this.#refusal('making a token', 'there is no network yet')
    const { token, secret } = await tokens.create(request)
    const { id, node, expiresMs } = token
    this.#log.info({ token: id, node }, 'a token was made')
    const network = records.network.name
    const text = formatJoinToken({ network, store: address, pin, ...(node && { node }), secret: secretOf(secret) })
    return { id, token: text, expiresMs }
  }

  async #join(caller: Caller, body: Field): Promise<unknown> {
    const { key, address } = caller
    const { identities, tokens, records } = this.#state
    this.#attempts.check(address)
    const { node: nodeField, secret } = objectFields(body, ['node', 'secret'])
    const node = parseName(stringValue(nodeField), placeOf(nodeField))
    if (key === undefined) throw refuse(body, 'who joins shows an Ed25519 key of its own')
    try {
      return await this.#inTurn(caller, joining, async () => {
        const token = tokens.check(stringValue(secret), { node, key })
        identities.check(node, key)
        await tokens.use(token, { node, key })
        await identities.add(node, key)
        this.#log.info({ node, token: token.id }, 'a node joined')
        return { network: records.network?.name }
      })
    } catch (error) {
      this.#attempts.failed(address)
      this.#log.warn({ node, address, reason: (error as Error).message }, 'an attempt to join was refused')
      throw error
    }
  }
}

const joining = 'joining'

function secretOf(text: string): Secret {
  return new Secret(Buffer.from(text))
}

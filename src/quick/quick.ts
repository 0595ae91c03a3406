// `podwire quick`: up, down, reload, save and strip of one interface, as wg-quick(8) has them, and safe against a kill in the
// middle: what is half done is found by the next run.
//
//   file ──> config ──┐
//                     ├─> plan/quick: steps ──> run-steps.ts (or printed: --dry-run)
//   host ──> facts ───┘

import { type PodwireError, podwireError } from '../base/errors.ts'
import { formatInterfaceIni } from '../config/interface-ini.ts'
import { hasWireguard } from '../native/wireguard-link.ts'
import { describeAction } from '../plan/quick/describe.ts'
import { isLeftOver, planDown } from '../plan/quick/down.ts'
import type { HostFacts, ReadyConfig } from '../plan/quick/facts.ts'
import { planReload } from '../plan/quick/reload.ts'
import { savedConfig } from '../plan/quick/saved-config.ts'
import type { Step } from '../plan/quick/step.ts'
import { planPreUp, planUp } from '../plan/quick/up.ts'
import { type Lock, takeLock } from '../system/process-lock.ts'
import { openDevice } from '../wireguard/devices.ts'
import { type ConfigFile, formatConfig, readConfigFile, stripIni, writeConfigFile } from './config-file.ts'
import { createLink } from './create-link.ts'
import { endpointAddress, resolveEndpoints } from './endpoints.ts'
import { type Journal, openJournal } from './journal.ts'
import { observe, observeAcceptTable, observeDevice } from './observe.ts'
import { runAnyway, Transaction, type Workshop } from './run-steps.ts'
import { hideVariables, readOrTell, readSecrets, readWithoutRunning } from './secrets.ts'

export type Verb = 'up' | 'down' | 'reload' | 'save' | 'strip'

export interface QuickOptions {
  /** Name of an interface of /etc/wireguard, or path of a file. */
  readonly argument: string
  /** Say what would be done, and do nothing. */
  readonly dryRun: boolean
  /** `down` of nothing but what a killed run left; that there is nothing is well. */
  readonly unfinished?: boolean
  /** "auto": the kernel's WireGuard, and without one a userspace device. */
  readonly backend: 'auto' | 'kernel' | 'userspace'
  /** The command line that starts a userspace device when the name is put behind it. */
  readonly deviceCommand: readonly [string, ...string[]]
  /** What was asked for: standard output. */
  readonly show: (text: string) => void
  /** What is being done: standard error. */
  readonly tell: (line: string) => void
  readonly signal: AbortSignal
}

/** A verb on one interface. */
interface Job {
  readonly options: QuickOptions
  readonly file: ConfigFile
  readonly workshop: Workshop
  readonly journal: Journal
}

const verbs: Record<Exclude<Verb, 'strip'>, (job: Job) => Promise<void>> = { up, down, reload, save }

/**
 * Carries out a verb. Errors: ERR_PODWIRE_NO_CONFIG, _NAME, _NEEDS_ROOT, _NAME_IN_USE, _QUICK_IS_UP, _QUICK_HALF_UP,
 * _QUICK_NOT_UP, _QUICK_BUSY, _NO_DEVICE, _NO_KERNEL_WIREGUARD, _TOOL_MISSING, _HOOK, _UNRESOLVED, _INTERRUPTED, those of the parsers, of the device and of the programs that are run.
 */
export async function quick(verb: Verb, options: QuickOptions): Promise<void> {
  const { argument, dryRun, tell, show, signal } = options
  const file = await readConfigFile(argument, warning => tell(`Warning: ${warning}`))
  if (verb === 'strip') return show(await strippedText(file))
  if (!dryRun && process.getuid?.() !== 0)
    throw podwireError('ERR_PODWIRE_NEEDS_ROOT', { what: `podwire quick ${verb}` })
  const { name } = file
  hideVariables(file.config)
  const lock = dryRun ? undefined : await takeLock(`quick-${name}`)
  if (!dryRun && lock === undefined) throw podwireError('ERR_PODWIRE_QUICK_BUSY', { name })
  try {
    const job: Job = { options, file, workshop: makeWorkshop(options, file, lock), journal: await openJournal(name) }
    await verbs[verb](job)
  } catch (error) {
    // A signal of the terminal ends commands as well: theirs is not the story.
    if (signal.aborted) throw podwireError('ERR_PODWIRE_INTERRUPTED', { signal: String(signal.reason) }, error)
    throw error
  } finally {
    lock?.release()
  }
}

async function up(job: Job): Promise<void> {
  const { options, file, workshop, journal } = job
  const { name, config } = file
  const before = await observe(name, { openDevice })
  const unfinished = await journal.unfinished()
  if (before.link !== undefined) {
    if (unfinished === 'up') throw podwireError('ERR_PODWIRE_QUICK_HALF_UP', { name, file: options.argument })
    if (!before.isWireGuard) throw podwireError('ERR_PODWIRE_NAME_IN_USE', { name })
    const state = unfinished === 'down' ? ', and its `down` was killed in the middle' : ''
    throw podwireError('ERR_PODWIRE_QUICK_IS_UP', { name, file: options.argument, state })
  }
  requireParts(job, before)
  const secrets = await secretsOf(job)
  const preUp = planPreUp(name, config)
  if (options.dryRun) {
    const ready = await resolveEndpoints(secrets, { ...options, patient: false })
    return showSteps(job, [...preUp, ...planUp(name, ready, await observeWays(name, ready))])
  }
  if (unfinished !== undefined || isLeftOver(before)) await finishDown(job, before, unfinished)
  await journal.begin('up')
  const transaction = new Transaction(workshop)
  try {
    await transaction.run(preUp)
    const ready = await resolveEndpoints(secrets, { ...options, patient: true })
    await transaction.run(planUp(name, ready, await observeWays(name, ready)))
  } catch (error) {
    if (await transaction.rollBack()) await journal.end()
    throw error
  }
  await journal.end()
}

async function down(job: Job): Promise<void> {
  const { options, file, workshop, journal } = job
  const { name, config } = file
  const facts = await observe(name, { openDevice })
  const unfinished = await journal.unfinished()
  if (options.unfinished && unfinished === undefined && !isLeftOver(facts)) return
  const isThere = facts.link !== undefined && facts.isWireGuard
  if (!isThere && (facts.link !== undefined || (unfinished === undefined && !isLeftOver(facts)))) {
    throw notUp(job, facts)
  }
  const { before, remove, after } = planDown(name, config, facts)
  if (options.dryRun) return showSteps(job, [...before, ...remove, ...after])
  if (unfinished !== undefined || !isThere) return finishDown(job, facts, unfinished)
  const transaction = new Transaction(workshop)
  await journal.begin('down')
  try {
    await transaction.run(before)
  } catch (error) {
    await journal.end() // nothing was changed
    throw error
  }
  await transaction.run(remove)
  try {
    await transaction.run(after)
  } finally {
    // A PostDown that failed is not run again; those that a signal kept from running are.
    if (!options.signal.aborted) await journal.end()
  }
}

/**
 * Removes what a run left that was killed. Its commands may have run already, so one that fails now stops nothing. Half a
 * device is not saved: the file has all of it.
 */
async function finishDown({ file, workshop, journal }: Job, facts: HostFacts, unfinished: 'up' | 'down' | undefined) {
  const { name, config } = file
  workshop.tell(`${name}: finishing what a run that was killed began`)
  const { before, remove, after } = planDown(name, config, facts)
  const saves = unfinished !== 'up' && facts.device !== undefined
  await runAnyway(
    before.filter(({ action }) => action.kind !== 'save' || saves),
    workshop,
  )
  await new Transaction(workshop).run(remove)
  await runAnyway(after, workshop)
  await journal.end()
}

async function reload(job: Job): Promise<void> {
  const { options, file, workshop, journal } = job
  const { name } = file
  const ready = await resolveEndpoints(await secretsOf(job), { ...options, patient: !options.dryRun })
  const { link, device, ...facts } = await observeWays(name, ready)
  if (link === undefined || device === undefined) throw notUp(job, { link })
  if ((await journal.unfinished()) === 'up') {
    throw podwireError('ERR_PODWIRE_QUICK_HALF_UP', { name, file: options.argument })
  }
  requireParts(job, facts)
  const steps = planReload(name, ready, { ...facts, link, device, ...(await observeAcceptTable(name, ready)) })
  if (options.dryRun) return showSteps(job, steps)
  const transaction = new Transaction(workshop)
  try {
    await transaction.run(steps)
  } catch (error) {
    const isWhole = await transaction.rollBack()
    if (!isWhole)
      workshop.tell(`${name}: what could not be taken back stays; a reload of a good file goes on from there`)
    throw error
  }
}

/** What would end it halfway ends it before its beginning. Errors: ERR_PODWIRE_NO_KERNEL_WIREGUARD, ERR_PODWIRE_TOOL_MISSING. */
function requireParts({ options, file }: Job, { resolvconf }: HostFacts): void {
  if (options.backend === 'kernel' && !hasWireguard()) throw podwireError('ERR_PODWIRE_NO_KERNEL_WIREGUARD', {})
  if (file.config.dns.servers.length === 0 || resolvconf !== undefined) return
  throw podwireError('ERR_PODWIRE_TOOL_MISSING', { tool: 'resolvconf', what: 'DNS in the file', package: 'openresolv' })
}

/** Errors: those of reading a secret. */
async function secretsOf({ options: { dryRun, tell }, file: { name, config } }: Job): Promise<ReadyConfig> {
  if (!dryRun) return readSecrets(config)
  return readSecrets(config, readWithoutRunning(await observeDevice(name, openDevice), tell))
}

async function save({ options, file }: Job): Promise<void> {
  const text = await savedText(file, options)
  if (!options.dryRun) return writeConfigFile(file, text)
  options.show(`# ${file.file}\n${hideSecrets(text)}`)
}

/** The text that `save` writes. Errors: ERR_PODWIRE_QUICK_NOT_UP, ERR_PODWIRE_NO_DEVICE. */
async function savedText(file: ConfigFile, options: QuickOptions): Promise<string> {
  const { dryRun, tell } = options
  const { name, config } = file
  const { link, device } = await observe(name, { openDevice })
  if (link === undefined || device === undefined) throw notUp({ options, file }, { link })
  const read = readOrTell(tell)
  const ready = await readSecrets(config, dryRun ? readWithoutRunning(device, tell, read) : read)
  return formatConfig(file, savedConfig(config, ready, device, link))
}

function notUp({ options, file: { name } }: Pick<Job, 'options' | 'file'>, { link }: { link?: unknown }): PodwireError {
  if (link === undefined) return podwireError('ERR_PODWIRE_QUICK_NOT_UP', { name, file: options.argument })
  const reason = 'there is a link of that name, but no device answers'
  return podwireError('ERR_PODWIRE_NO_DEVICE', { name, reason })
}

/** Every line of a private or preshared key, whichever form it has. */
function hideSecrets(text: string): string {
  return text.replace(/((?:privateKey|presharedKey)"?\s*[=:]\s*"?)[A-Za-z0-9+/]{43}=/gi, '$1(hidden)')
}

/** What wg(8) reads; the rest left out. Keys are in it. */
async function strippedText(file: ConfigFile): Promise<string> {
  if (file.kind === 'interface-ini') return stripIni(file.text)
  const { addresses: _, mtuBytes: __, ...config } = await readSecrets(file.config)
  const none = { preUp: [], postUp: [], preDown: [], postDown: [] }
  const dns = { servers: [], search: [] }
  return formatInterfaceIni({ ...config, addresses: [], dns, table: 'auto', saveConfig: false, hooks: none })
}

/** With the ways to the endpoints. */
function observeWays(name: string, { peers }: ReadyConfig) {
  const endpoints = peers.flatMap(({ endpoint }) => (endpoint && endpointAddress(endpoint)) ?? [])
  return observe(name, { openDevice, endpoints })
}

function showSteps({ file, options }: Job, steps: readonly Step[]): void {
  const startsDevice = options.backend === 'userspace' || !hasWireguard()
  for (const { action } of steps) {
    if (action.kind === 'createLink' && startsDevice) options.show([...options.deviceCommand, file.name].join(' '))
    else for (const line of describeAction(file.name, action, { withInput: true })) options.show(line)
  }
}

function makeWorkshop(options: QuickOptions, file: ConfigFile, lock: Lock | undefined): Workshop {
  const { tell, signal } = options
  return {
    name: file.name,
    file: file.file,
    tell,
    signal,
    openDevice: () => openDevice(file.name),
    createLink: () => createLink(file.name, { ...options, ...(lock && { lockFd: lock.fd }) }),
    save: async () => writeConfigFile(file, await savedText(file, options)),
  }
}

// The parts of `podwire config` for a network document: one node's configuration from it, what a change of it would do, and what
// is to be said of one that is right. config.ts joins them with those for one interface.

import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { podwireError } from '../base/errors.ts'
import { formatInterfaceIni } from '../config/interface-ini.ts'
import { formatInterfaceJson } from '../config/interface-json.ts'
import { type NetworkDocument, parseNetworkDocument } from '../config/network-document.ts'
import { planAccept } from '../plan/accept.ts'
import { planNode, unreachablePairs } from '../plan/network.ts'
import { describeNetworkDiff, diffNetworks } from '../plan/network-diff.ts'
import { nodeInterface } from '../plan/node-interface.ts'
import { renderAcceptRules } from '../policy/accept-rules.ts'
import { readText } from './config-files.ts'

const renderExamples = `
The configuration has no private key in it, only the file where the host keeps its own.
What the node does not accept is dropped by nftables, from before the device comes up until it is gone.

Examples:
  podwire config render examples/network/star.json --node web
  podwire config render examples/network/star.json --node web --format ini >wg0.conf
  podwire config render examples/network/star.json --node web --format nft --interface wg0 | nft -f -`

/** `podwire config render FILE --node X`. */
export function defineRender(config: Command): void {
  config
    .command('render')
    .description("one node's configuration, from the network document")
    .argument('<file>', 'the network document')
    .requiredOption('--node <name>', 'the node')
    .addOption(
      new Option('--format <form>', 'json; ini, for wg-quick; nft: the accept rules alone')
        .choices(['json', 'ini', 'nft'])
        .default('json'),
    )
    .option('--private-key <file>', 'where the node keeps its private key (default: /etc/podwire/NODE.key)')
    .option('--interface <name>', 'with --format nft: the name of the device', 'wg0')
    .addHelpText('after', renderExamples)
    .action(async (file: string, flags: RenderFlags) => {
      process.stdout.write(renderNode(await readNetwork(file), file, flags))
    })
}

/** Its time for a line grows with the square of its length: 11 s of a processor for this one, measured with bash 5.2. */
const maxLineOfWgQuick = 20_000

interface RenderFlags {
  readonly node: string
  readonly format: 'json' | 'ini' | 'nft'
  readonly privateKey?: string
  readonly interface: string
}

function renderNode(document: NetworkDocument, file: string, flags: RenderFlags): string {
  const node = document.nodes.find(({ name }) => name === flags.node)
  const usage = (what: string) => podwireError('ERR_PODWIRE_USAGE', { what, command: 'config render' })
  if (node === undefined)
    throw usage(`${file} has no node "${flags.node}"; it has ${document.nodes.map(({ name }) => name).join(', ')}`)
  const accept = planAccept(document, node)
  if (flags.format === 'nft') return renderAcceptRules(accept, flags.interface)
  const privateKeyFile = resolve(flags.privateKey ?? `/etc/podwire/${node.name}.key`)
  const config = nodeInterface(planNode(document, node), accept, { form: flags.format, privateKeyFile })
  if (flags.format === 'json') return formatInterfaceJson(config)
  const ini = formatInterfaceIni(config)
  const longest = Math.max(...ini.split('\n').map(line => line.length))
  if (longest > maxLineOfWgQuick) {
    const what = `a line has ${longest} characters, and wg-quick takes minutes for such a one`
    process.stderr.write(`podwire: warning: ${node.name}: ${what}; \`podwire quick\` does not\n`)
  }
  return ini
}

const diffExamples = `
Examples:
  podwire config diff network.json network.new.json
  podwire config diff network.json network.new.json --json

The schema of --json is schema/network-diff.json.`

/** `podwire config diff OLD NEW`. */
export function defineDiff(config: Command): void {
  config
    .command('diff')
    .description('who gains or loses what, and which sessions end, from one network document to another')
    .argument('<old>', 'the network document as it is')
    .argument('<new>', 'as it would be')
    .option('--json', 'as JSON')
    .addHelpText('after', diffExamples)
    .action(async (old: string, changed: string, { json }: { json?: true }) => {
      const diff = diffNetworks(await readNetwork(old), await readNetwork(changed))
      console.log(json ? JSON.stringify(diff, null, 2) : describeNetworkDiff(diff).join('\n'))
    })
}

/** Checks a network document. Errors: those of parseNetworkDocument. */
export function checkNetworkText(text: string, file: string, warn: (warning: string) => void): void {
  const document = parseNetworkDocument(text, file)
  for (const [a, b] of unreachablePairs(document)) {
    warn(`${file}: nodes.${a}, nodes.${b}: peers of which neither has an endpoint: they cannot reach each other`)
  }
}

async function readNetwork(file: string): Promise<NetworkDocument> {
  return parseNetworkDocument(await readText(file), file)
}

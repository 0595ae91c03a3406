// Writes the documents that are made from the code: docs/errors.md, the layer table of ARCHITECTURE.md, schema/, and from
// the last benchmarks in bench/results/ the table of README.md, device.md, aead.md and wg.md.
// --check writes nothing and fails if one is not current.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { formatAead } from '../build/bench/aead.js'
import { formatReport } from '../build/bench/device/report.js'
import { formatWg } from '../build/bench/wg.js'
import { errorTable } from '../build/src/base/errors.js'
import { interfaceJsonSchema } from '../build/src/config/interface-schema.js'
import { networkJsonSchema } from '../build/src/config/network-schema.js'
import { labJsonSchema } from '../build/src/lab/description.js'
import { layers } from '../build/test/unit/layers.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const check = process.argv.includes('--check')

const cell = text => text.replaceAll('|', '\\|')

const errors = `# Errors

Made from \`src/base/errors.ts\` by \`scripts/docs.mjs\`: every error that podwire raises on purpose, with the exit status of a
command that ends with it (1 failed, 2 bad input, 3 the machine lacks something, 4 this node was removed). Words in braces are filled in.

| code | says | what to do next | exit |
|---|---|---|---|
${Object.entries(errorTable)
  .map(([code, { message, hint, exit }]) => `| \`${code}\` | ${cell(message)} | ${cell(hint)} | ${exit} |`)
  .join('\n')}
`

const table = `| rank | folders | may import | why |
|---|---|---|---|
${layers.map(({ rank, folders, may, why }) => `| ${rank} | ${folders.join(', ')} | ${may} | ${why} |`).join('\n')}
`

const resultOf = name => JSON.parse(readFileSync(`${root}bench/results/${name}.json`, 'utf8'))
const report = formatReport(resultOf('device'))

/** The file with what stands between its marks `<!-- NAME -->` and `<!-- /NAME -->` replaced. */
function withPart(file, name, text) {
  const document = readFileSync(`${root}${file}`, 'utf8')
  const marked = new RegExp(`(<!-- ${name} -->\\n)[\\s\\S]*?(<!-- /${name} -->)`)
  if (!marked.test(document)) throw new Error(`${file} has lost the marks of its part "${name}"`)
  return document.replace(marked, (_, open, close) => `${open}${text}${close}`)
}

const documents = {
  'docs/errors.md': errors,
  'ARCHITECTURE.md': withPart('ARCHITECTURE.md', 'layers', table),
  'README.md': withPart('README.md', 'bench', report),
  'bench/results/device.md': report,
  'bench/results/aead.md': formatAead(resultOf('aead')),
  'bench/results/wg.md': formatWg(resultOf('wg')),
  'schema/interface.json': `${JSON.stringify(interfaceJsonSchema(), undefined, 2)}\n`,
  'schema/network.json': `${JSON.stringify(networkJsonSchema(), undefined, 2)}\n`,
  'schema/lab.json': `${JSON.stringify(labJsonSchema(), undefined, 2)}\n`,
}
for (const [file, text] of Object.entries(documents)) {
  const path = `${root}${file}`
  if (existsSync(path) && readFileSync(path, 'utf8') === text) continue
  if (check) {
    console.error(`${file} is not current; write it with \`npm run docs\``)
    process.exitCode = 1
  } else {
    writeFileSync(path, text)
    console.log(`wrote ${file}`)
  }
}

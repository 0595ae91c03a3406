// Writes the documents that are made from the code: docs/errors.md, the layer table of ARCHITECTURE.md, and schema/.
// --check writes nothing and fails if one is not current.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { errorTable } from '../build/src/base/errors.js'
import { labJsonSchema } from '../build/src/lab/description.js'
import { layers } from '../build/test/unit/layers.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const check = process.argv.includes('--check')

const cell = text => text.replaceAll('|', '\\|')

const errors = `# Errors

Made from \`src/base/errors.ts\` by \`scripts/docs.mjs\`: every error that podwire raises on purpose, with the exit status of a
command that ends with it (1 failed, 2 bad input, 3 the machine lacks something). Words in braces are filled in.

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

const architecture = readFileSync(`${root}ARCHITECTURE.md`, 'utf8')
const marked = /(<!-- layers -->\n)[\s\S]*?(<!-- \/layers -->)/
if (!marked.test(architecture)) throw new Error('ARCHITECTURE.md has lost the marks of its layer table')

const documents = {
  'docs/errors.md': errors,
  'ARCHITECTURE.md': architecture.replace(marked, `$1${table}$2`),
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

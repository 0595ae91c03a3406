// A process that carries out steps on a server's state, each said when it is acknowledged; the test kills it on the way
// (test/lab/killed-writing.ts).

import { Routes } from '../../../src/server/routes.ts'
import { openServerState } from '../../../src/server/state.ts'
import { steps } from './crash-steps.ts'
import { silent } from './harness.ts'

const [folder = '', secret = ''] = process.argv.slice(2)
const routes = new Routes(await openServerState(folder), silent)
for (const [i, { caller, request }] of steps(secret).entries()) {
  await routes.answer(caller, request)
  process.stdout.write(`${i}\n`)
}

// What a program hears that connects to where nobody is.

import type { Lab } from '../../src/lab/lab.ts'

const script = `
  const startMs = performance.now()
  const socket = require('node:net').connect(80, process.argv[1])
  socket.on('error', ({ code }) => console.log(JSON.stringify({ code, afterMs: performance.now() - startMs })))`

/** Connects from a host or container, in vain; the error's code, and after how long it came. */
export async function connectInVain(
  lab: Lab,
  from: string,
  address: string,
): Promise<{ code: string; afterMs: number }> {
  return JSON.parse((await lab.exec(from, [process.execPath, '-e', script, address])).stdout)
}

// `podwire config`: what can be done with configuration documents. (CONFIG joins check, convert and fmt.)

import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { checkNetworkText, defineDiff, defineRender } from './config-network.ts'

export function define(command: Command): void {
  defineRender(command)
  defineDiff(command)
  command
    .command('check')
    .description('say what is wrong with a network document')
    .argument('<file>', 'the document')
    .action((file: string) => {
      for (const warning of checkNetworkText(readFileSync(file, 'utf8'), file)) console.error(`warning: ${warning}`)
    })
}

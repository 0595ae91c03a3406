// Whether a program is there, without running it.

import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

/** Whether one of the folders has it; an empty name is the folder that we are in, as in PATH. */
export function hasProgram(folders: readonly string[], name: string): boolean {
  return folders.some(folder => {
    try {
      accessSync(join(folder || '.', name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

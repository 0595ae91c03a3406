// One line of `podwire doctor`.

export interface Finding {
  /** A word that stays the same between versions. */
  readonly name: string
  readonly state: 'ok' | 'note' | 'problem'
  /** What was found. */
  readonly says: string
  /** What to do, unless all is well. */
  readonly hint?: string
}

export const ok = (name: string, says: string): Finding => ({ name, state: 'ok', says })
export const note = (name: string, says: string, hint: string): Finding => ({ name, state: 'note', says, hint })
export const problem = (name: string, says: string, hint: string): Finding => ({ name, state: 'problem', says, hint })

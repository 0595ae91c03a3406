// What a parser says of a text that it refuses, and the check that it either takes any text or refuses it so.

import assert from 'node:assert/strict'
import { PodwireError } from '../../../src/base/errors.ts'

/** The error with which `run` refuses. */
export function refusal(run: () => unknown): PodwireError {
  try {
    run()
  } catch (error) {
    if (error instanceof PodwireError) return error
    throw error
  }
  assert.fail('it was accepted')
}

/** Whatever the text: `parse` takes it, or says the file, a place and a reason. */
export function acceptsOrRefuses(parse: (text: string, file: string) => unknown, text: string): void {
  try {
    parse(text, 'any.file')
  } catch (error) {
    assert.ok(error instanceof PodwireError && error.code === 'ERR_PODWIRE_DOCUMENT', String(error))
    assert.match(error.message, /^any\.file: [\s\S]*line \d+, column \d+\)?: [\s\S]+/)
  }
}

export const keys = {
  private: 'yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=',
  preshared: 'b3xdNWsbNbKi9DtgKMfOPMHSpvW4mVsiRkVwCdLWdG0=',
  a: 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=',
  b: 'TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=',
} as const

// Waiting in the lab tests: on a condition, with a deadline.

import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'

/** Waits until `done` says true; fails with `what` after `seconds`. */
export async function until(what: string, done: () => boolean | Promise<boolean>, seconds = 10): Promise<void> {
  for (const deadline = Date.now() + seconds * 1000; !(await done()); await delay(10)) {
    assert.ok(Date.now() < deadline, `within ${seconds} s: ${what}`)
  }
}

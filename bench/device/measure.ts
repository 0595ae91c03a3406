// What every measurement gets.

import type { Lab } from '../../src/lab/lab.ts'
import type { Samples } from './samples.ts'
import type { Subject } from './subjects.ts'
import type { SendFlow } from './traffic.ts'

export interface Bench {
  readonly lab: Lab
  readonly samples: Samples
  readonly sendFlow: SendFlow
  readonly settings: {
    readonly rounds: number
    /** Of each run of a tool. */
    readonly seconds: number
    readonly quick: boolean
  }
}

/** Measures one subject once and puts the figures into the bench's samples. */
export type Measure = (bench: Bench, subject: Subject) => Promise<void>

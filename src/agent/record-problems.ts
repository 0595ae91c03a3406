// Which records of a view do not hold, and why: for those who only show it.

import type { NetworkView } from '../model/node-record.ts'
import { admitView, type RecordProblem } from '../plan/admit.ts'

/** In the order of their names. */
export function recordProblems(view: NetworkView): RecordProblem[] {
  const admission = admitView(view)
  admission.settle()
  return [...view.nodes.keys()].sort().flatMap(node => {
    const reason = admission.reason(node)
    return reason === undefined ? [] : { node, reason }
  })
}

// What to say of a key that no document of ours has: the nearest one that there is, or all of them.

const maxShown = 80

/** The reason for an error: `unknown key "gatway"; did you mean "gateways"?`. */
export function unknownKey(written: string, known: readonly string[]): string {
  const key = written.length > maxShown ? `${written.slice(0, maxShown)}…` : written
  const [nearest] = known
    .map(name => ({ name, distance: editDistance(key.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(2, name.length / 2))
    .sort((a, b) => a.distance - b.distance)
  return nearest === undefined
    ? `unknown key "${key}"; the keys are ${known.join(', ')}`
    : `unknown key "${key}"; did you mean "${nearest.name}"?`
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

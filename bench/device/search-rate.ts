// The highest rate that holds, by trying: in large steps until it turns, then halving the gap, then twice more to confirm.

/** The answer is within this factor. */
const precision = 1.03
/** One that holds no rate at all is given up here. */
const lowestRate = 100

/**
 * `holds` is tried at some ten rates, the first of them `start`; `step` is the factor of the first steps, smaller where
 * `start` is a good guess. 0 if nothing holds.
 */
export async function searchRate(
  holds: (rate: number) => Promise<boolean>,
  { start, step }: { start: number; step: number },
): Promise<number> {
  let [good, bad] = [0, Number.POSITIVE_INFINITY]
  for (let rate = start; bad / good > precision; ) {
    if (rate < lowestRate) return 0
    if (await holds(rate)) good = rate
    else bad = rate
    if (good === 0) rate /= step
    else if (bad === Number.POSITIVE_INFINITY) rate *= step
    else rate = Math.sqrt(good * bad)
  }
  for (let confirmed = 0; confirmed < 2 && good >= lowestRate; ) {
    if (await holds(good)) confirmed += 1
    else {
      confirmed = 0
      good /= precision
    }
  }
  return good < lowestRate ? 0 : good
}

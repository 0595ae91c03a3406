// The highest rate that holds, by trying: in large steps until it turns, then halving the gap, then at length to confirm.

/** One that holds no rate at all is given up here. */
const lowestRate = 100

export interface RateSearch {
  /** The first rate to try. */
  readonly start: number
  /** The factor of the first steps: small where `start` is a good guess. */
  readonly step: number
  /** The answer is within this factor. */
  readonly precision: number
  /** Whether a rate holds, tried shortly. */
  readonly tries: (rate: number) => Promise<boolean>
  /** The same, tried at length: what is answered has passed this. */
  readonly confirms: (rate: number) => Promise<boolean>
}

/** 0 if nothing holds. */
export async function searchRate({ start, step, precision, tries, confirms }: RateSearch): Promise<number> {
  let [good, bad] = [0, Number.POSITIVE_INFINITY]
  for (let rate = start; bad / good > precision; ) {
    if (rate < lowestRate) return 0
    if (await tries(rate)) good = rate
    else bad = rate
    if (good === 0) rate /= step
    else if (bad === Number.POSITIVE_INFINITY) rate *= step
    else rate = Math.sqrt(good * bad)
  }
  while (good >= lowestRate && !(await confirms(good))) good /= precision
  return good < lowestRate ? 0 : good
}

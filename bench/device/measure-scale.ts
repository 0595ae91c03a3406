// A thousand peers with 130 AllowedIPs each: how long the devices take to load them, and what is left of one peer's speed.

import { randomBytes } from 'node:crypto'
import type { Measure } from './measure.ts'
import { runTcp } from './measure-tcp.ts'
import { addFigure } from './samples.ts'
import { setUapi } from './subjects.ts'

const peers = 1_000
const allowedIpsEach = 130

/** The other 999. Their addresses, in 11.0.0.0/8, are scattered, so that no two neighbours share much of a path. */
const crowd = Array.from({ length: peers - 1 }, (_, peer) => ({
  key: randomBytes(32).toString('hex'),
  addresses: Array.from({ length: allowedIpsEach }, (_, i) => {
    const scattered = ((peer * allowedIpsEach + i) * 0x9e3779) & 0xffffff // an odd factor: all different
    return `11.${scattered >> 16}.${(scattered >> 8) & 255}.${scattered & 255}/32`
  }),
}))
const loadLines = crowd
  .map(({ key, addresses }) => `public_key=${key}\n${addresses.map(ip => `allowed_ip=${ip}\n`).join('')}`)
  .join('')
const removeLines = crowd.map(({ key }) => `public_key=${key}\nremove=true\n`).join('')

export const measureScale: Measure = async ({ lab, samples, settings }, { name, target, devices }) => {
  if (devices.length === 0) return
  const seconds = Math.min(settings.seconds, 3)
  const { gbit: alone } = await runTcp(lab, target, { seconds })
  // Both ends: one looks up where packets go, the other where they may come from.
  for (const device of devices) addFigure(samples, name, 'loading', await setUapi(device, loadLines))
  const { gbit } = await runTcp(lab, target, { seconds })
  addFigure(samples, name, 'scaleKept', (100 * gbit) / alone)
  for (const device of devices) await setUapi(device, removeLines)
}

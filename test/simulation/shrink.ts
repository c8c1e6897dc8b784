import type { Script } from './choices.ts'
import { type Decisions, type Host, type RunReport, simulate } from './simulate.ts'

/** Runs that may be spent on making a failure plainer. */
const MOST_RUNS = 600

/**
 * Makes a failing run plainer: cuts and zeroes its decisions for as long as the same law is broken. Zero is the plainest choice everywhere, so what
 * is left has fewer faults, fewer operations, fewer blocks and less chance in its course.
 */
export async function shrink(failed: RunReport, host: Host): Promise<RunReport> {
  let best = failed
  let runs = 0
  const attempt = async (decisions: Decisions): Promise<boolean> => {
    if (runs++ >= MOST_RUNS) return false
    const report = await simulate(decisions, host)
    if (report.violation?.law !== failed.violation?.law) return false
    best = { ...report, decisions }
    return true
  }
  for (let before = -1; before !== weight(best.decisions) && runs < MOST_RUNS; ) {
    before = weight(best.decisions)
    for (const part of ['course', 'plan'] as const) {
      await shorten(
        best.decisions[part],
        (script) => attempt({ ...best.decisions, [part]: script }),
        () => best.decisions[part],
      )
    }
  }
  const { decisions } = best
  return { ...(await simulate(decisions, host, { logging: true })), decisions }
}

/** Halves from the end, then stretches of zeroes, then single numbers made smaller. */
async function shorten(first: Script, attempt: (script: Script) => Promise<boolean>, now: () => Script): Promise<void> {
  for (let keep = first.length >> 1; keep < now().length; ) {
    if (await attempt(trimmed(now().slice(0, keep)))) keep = now().length >> 1
    else keep += Math.max(1, (now().length - keep) >> 1)
  }
  for (let length = Math.max(1, now().length >> 1); length >= 1; length >>= 1) {
    for (let from = 0; from < now().length; from += length) {
      const stretch = now().slice(from, from + length)
      if (stretch.every((value) => value === 0)) continue
      await attempt(trimmed(now().map((value, index) => (index >= from && index < from + length ? 0 : value))))
    }
  }
  for (let index = 0; index < now().length; index++) {
    const value = now()[index]!
    if (value > 1) await attempt(now().map((other, at) => (at === index ? value >> 1 : other)))
  }
}

/** Zeroes at the end say nothing. */
function trimmed(script: Script): Script {
  let length = script.length
  while (length > 0 && script[length - 1] === 0) length--
  return script.slice(0, length)
}

function weight({ plan, course }: Decisions): number {
  return [...plan, ...course].reduce((sum, value) => sum + (value === 0 ? 0 : 1), 0)
}

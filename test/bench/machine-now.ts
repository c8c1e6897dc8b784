/** Milliseconds on the clock that all processes of this machine share; it never goes back. */
export function machineNow(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

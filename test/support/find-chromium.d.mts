/**
 * Finds an executable Chromium: `CHROMIUM_PATH`, Playwright's own, the system's, and with `install` Debian's package (as root) or
 * Playwright's download. Resolves with its path; rejects with one sentence when none can be had.
 */
export function findChromium(options: { install: boolean }): Promise<string>

export function countResults(
  report: string | undefined,
  exitCode: number,
): { passed: number; failed: number; skippedNames: string[]; problems: string[] }

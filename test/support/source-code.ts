import { dirname, join } from 'node:path/posix'

/** One file of the repository as the laws see it. */
export interface SourceFile {
  /** From the top of the repository, with `/`. */
  readonly path: string
  readonly text: string
}

/** TypeScript without comments (`statements`) and without the content of strings as well (`code`). Lines stay where they are. */
export function stripComments(text: string): { statements: string; code: string } {
  let statements = ''
  let code = ''
  let at = 0
  const keep = (end: number, asCode: (part: string) => string) => {
    const part = text.slice(at, end)
    statements += part
    code += asCode(part)
    at = end
  }
  while (at < text.length) {
    const two = text.slice(at, at + 2)
    const one = text[at]!
    if (two === '//' || two === '/*') {
      const end = two === '//' ? endOf(text, '\n', at) : endOf(text, '*/', at + 2) + 2
      const blank = text.slice(at, end).replace(/[^\n]/g, ' ')
      statements += blank
      code += blank
      at = Math.min(end, text.length)
    } else if (one === "'" || one === '"' || one === '`') {
      keep(closing(text, at, one), (part) => one + part.slice(1, -1).replace(/[^\n]/g, ' ') + one)
    } else if (one === '/' && startsPattern(code)) {
      keep(closing(text, at, '/'), (part) => part.replace(/[^\n]/g, ' '))
    } else {
      keep(at + 1, (part) => part)
    }
  }
  return { statements, code }
}

function endOf(text: string, needle: string, from: number): number {
  const found = text.indexOf(needle, from)
  return found < 0 ? text.length : found
}

/** Where a string or a regular expression that starts at `start` ends, behind its closing quote. */
function closing(text: string, start: number, quote: string): number {
  let inSet = false
  for (let at = start + 1; at < text.length; at++) {
    const character = text[at]
    if (character === '\\') at++
    else if (quote === '/' && character === '[') inSet = true
    else if (quote === '/' && character === ']') inSet = false
    else if (character === quote && !inSet) return at + 1
  }
  return text.length
}

/** Whether a slash after this code starts a regular expression: after a value it divides. */
function startsPattern(code: string): boolean {
  const before = code.trimEnd()
  return before === '' || /[=(,:[!&|?{};<>+\-*%~^]$/.test(before) || /\b(return|typeof|case|in|of)$/.test(before)
}

/** How a file names another one. A worker's file is another program, so it is `url` and not `import`. */
export interface Reference {
  readonly kind: 'import' | 'url'
  readonly target: string
}

/** What a file imports (types and dynamic imports too) and which worker files it names; relative ones as paths from the top. */
export function references(file: SourceFile): Reference[] {
  const { statements } = stripComments(file.text)
  const found: Reference[] = []
  const add = (kind: Reference['kind'], pattern: RegExp) => {
    for (const [, target] of statements.matchAll(pattern)) {
      found.push({ kind, target: target!.startsWith('.') ? join(dirname(file.path), target!) : target! })
    }
  }
  add('import', /(?<!['"])\b(?:from|import)\s*\(?\s*['"]([^'"\n]+)['"]/g)
  add('url', /\bnew\s+URL\(\s*['"]([^'"\n]+\.(?:ts|js))['"]\s*,\s*import\.meta\.url/g)
  // A worker is named as it will be called once compiled.
  return found.map(({ kind, target }) => ({ kind, target: kind === 'url' ? target.replace(/\.js$/, '.ts') : target }))
}

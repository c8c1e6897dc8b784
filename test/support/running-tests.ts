import { parseAst } from 'vite'

/** Any node of a parsed file: what it has depends on its type. */
type Node = { readonly type: string } & Readonly<Record<string, unknown>>

const CALLS = new Set(['it', 'test', 'describe'])
/** With one of these, as `it.skip` or as an option, a test does not run, perhaps does not, or is meant to fail. */
const HINDRANCES = new Set(['skip', 'todo', 'skipIf', 'runIf', 'fails'])

/** The titles of the tests of a file that run, and of the groups around them; a title that is put together has `…` where a value comes. */
export function runningTests(source: string): string[] {
  const titles = new Set<string>()
  visit(parseAst(source, { lang: 'ts' }) as unknown as Node, [], titles)
  return [...titles]
}

/** Calls that are not of a test are looked into as well: a test may stand in a loop or a function. */
function visit(node: Node, groups: readonly string[], titles: Set<string>): void {
  const call = testCall(node)
  if (!call) {
    for (const child of childrenOf(node)) visit(child, groups, titles)
    return
  }
  const { name, isHindered, title, body } = call
  if (isHindered) return
  if (name === 'describe') for (const part of body) visit(part, [...groups, title], titles)
  else if (body.length > 0 && !body.some(skipsItself)) for (const running of [...groups, title]) titles.add(running)
}

/** What a call says of a test or a group; undefined for any other node. */
function testCall(node: Node): { name: string; isHindered: boolean; title: string; body: Node[] } | undefined {
  if (node.type !== 'CallExpression') return undefined
  const words = wordsOf(node.callee as Node)
  const [name] = words
  if (name === undefined || !CALLS.has(name)) return undefined
  const [title, ...rest] = node.arguments as Node[]
  const options = rest
    .filter(({ type }) => type === 'ObjectExpression')
    .flatMap(({ properties }) => properties as Node[])
  const keys = options.map(({ key }) => (key as Node | undefined)?.name as string)
  return {
    name,
    isHindered: [...words, ...keys].some((word) => HINDRANCES.has(word)),
    title: textOf(title),
    body: rest.filter(({ type }) => type.endsWith('FunctionExpression')),
  }
}

/** `it.each(…)` is `it`, `each`. */
function wordsOf(callee: Node): string[] {
  if (callee.type === 'Identifier') return [callee.name as string]
  if (callee.type === 'CallExpression') return wordsOf(callee.callee as Node)
  if (callee.type === 'TaggedTemplateExpression') return wordsOf(callee.tag as Node)
  if (callee.type !== 'MemberExpression') return []
  return [...wordsOf(callee.object as Node), (callee.property as Node).name as string]
}

function textOf(node: Node | undefined): string {
  if (node?.type === 'Literal') return String(node.value)
  if (node?.type !== 'TemplateLiteral') return ''
  return (node.quasis as { value: { cooked: string } }[]).map(({ value }) => value.cooked).join('…')
}

/** Calls `skip` within. */
function skipsItself(node: Node): boolean {
  if (node.type === 'CallExpression' && wordsOf(node.callee as Node).at(-1) === 'skip') return true
  return childrenOf(node).some(skipsItself)
}

function childrenOf(node: Node): Node[] {
  return Object.values(node)
    .flat()
    .filter((value): value is Node => typeof value === 'object' && value !== null && 'type' in value)
}

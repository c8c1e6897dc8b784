import type { Host } from '../../test/simulation/simulate.ts'

/** What a worker of a browser does for a simulation: a message to itself comes when all promises that could settle have. */
export function browserHost(scope: Pick<typeof globalThis, 'addEventListener'>): Host {
  const { port1, port2 } = new MessageChannel()
  const waiting: (() => void)[] = []
  port1.onmessage = () => waiting.shift()?.()
  const turn = () =>
    new Promise<void>((resolve) => {
      waiting.push(resolve)
      port2.postMessage(0)
    })
  const unheard: unknown[] = []
  scope.addEventListener('unhandledrejection', (event) => {
    event.preventDefault()
    unheard.push(event.reason)
  })
  scope.addEventListener('error', (event) => {
    event.preventDefault()
    unheard.push(event.error ?? event.message)
  })
  return {
    settle: turn,
    // Errors that nobody hears are told in a task of their own, by another way than messages.
    task: async () => {
      await turn()
      await turn()
    },
    takeUnheard: () => unheard.splice(0),
  }
}

import { WebSocket } from 'ws'

/** A message of WebDriver BiDi (https://w3c.github.io/webdriver-bidi/). */
type Heard =
  | { readonly type: 'success'; readonly id: number; readonly result: unknown }
  | { readonly type: 'error'; readonly id: number | null; readonly message: string }
  | { readonly type: 'event'; readonly method: string; readonly params: unknown }

/** The least of a client of WebDriver BiDi; it ends with its browser. */
export class Bidi {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>()
  readonly #listen: (event: string, params: unknown) => void
  #last = 0

  private constructor(socket: WebSocket, listen: (event: string, params: unknown) => void) {
    this.#socket = socket
    this.#listen = listen
    socket.on('message', (data) => this.#hear(JSON.parse(String(data)) as Heard))
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the browser is gone'))
      this.#waiting.clear()
    })
  }

  /** Begins a session that hears these events. */
  static async connect(
    url: string,
    { events, listen }: { events: readonly string[]; listen: (event: string, params: unknown) => void },
  ): Promise<Bidi> {
    const socket = new WebSocket(url)
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    const bidi = new Bidi(socket, listen)
    await bidi.ask('session.new', { capabilities: {} })
    await bidi.ask('session.subscribe', { events })
    return bidi
  }

  /** Resolves with the result of a command; rejects with what the browser says. */
  ask(method: string, params: object): Promise<unknown> {
    const id = ++this.#last
    this.#socket.send(JSON.stringify({ id, method, params }))
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
  }

  #hear(heard: Heard): void {
    if (heard.type === 'event') this.#listen(heard.method, heard.params)
    else {
      const waiter = this.#waiting.get(heard.id ?? 0)
      this.#waiting.delete(heard.id ?? 0)
      if (heard.type === 'success') waiter?.resolve(heard.result)
      else waiter?.reject(new Error(heard.message))
    }
  }
}

import { RunningCommand } from './running-command.ts'
import { type SlowLink, slowLink } from './slow-link.ts'

/** The processes and links of one test; whatever happens in it, none outlives it. */
export class MovingCommands {
  readonly #commands = new Set<RunningCommand>()
  readonly #links = new Set<SlowLink>()

  /** Starts a command that goes on while the test does. */
  start(args: readonly string[], environment: Record<string, string> = {}): RunningCommand {
    const command = new RunningCommand(args, environment)
    this.#commands.add(command)
    return command
  }

  /** Starts a source and waits until it can be pulled; its clients may pause as long as a machine with other things to do needs. */
  async serve(
    disk: string,
    args: readonly string[] = [],
    url = 'tcp://127.0.0.1:0',
  ): Promise<{ serve: RunningCommand; url: string }> {
    const serve = this.start(['serve', disk, '--listen', url, '--max-pause', '10000', ...args])
    return { serve, url: String((await serve.event('listening')).url) }
  }

  /** The same address by way of a slow link. */
  async slowed(url: string, bytesPerSecond: number): Promise<{ url: string; link: SlowLink }> {
    const address = new URL(url)
    const link = await slowLink(Number(address.port), bytesPerSecond)
    this.#links.add(link)
    return { url: `${address.protocol}//127.0.0.1:${link.port}`, link }
  }

  /** Ends all of them; resolves when they are gone. */
  async end(): Promise<void> {
    for (const link of this.#links) link.close()
    this.#links.clear()
    for (const command of this.#commands) {
      command.kill('SIGKILL')
      await command.ended
    }
    this.#commands.clear()
  }
}

/** Bytes that a pull has by what it says. */
export function bytesHere(pull: RunningCommand): number {
  const told = pull.events.filter(({ phase }) => phase === 'pull').map(({ bytes }) => Number(bytes))
  return Math.max(0, ...told)
}

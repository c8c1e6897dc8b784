import { type Command, Option } from 'commander'
import type { Dialect } from '../../protocol/protocol-rw.ts'
import { argument, blockSize, concurrency, value } from './values.ts'

/** Bytes of a block unless stated: what the rest of the library is tuned for. */
const BLOCK_SIZE = 65536

/** What every command takes. */
export function withOutput(command: Command): Command {
  return command.option('--json', 'print one JSON object per line').option('--debug', 'print the stack of a failure')
}

/** What a command that moves blocks takes. */
export function withBlocks(command: Command): Command {
  return command
    .addOption(
      new Option('--block-size <size>', 'bytes moved and tracked together')
        .argParser(argument(blockSize))
        .default(BLOCK_SIZE, '64KiB'),
    )
    .option('--concurrency <number>', 'reads and writes under way together', value(concurrency, '1 to 1024'))
}

/** What a command that meets a peer takes. */
export function withPeer(command: Command): Command {
  return command
    .option('--secret-file <file>', 'what both sides must know, at least 16 bytes; or in BLOCKFERRY_SECRET')
    .addOption(
      new Option('--dialect <dialect>', 'silo for Go peers, which know no secret and no root hash')
        .choices(['blockferry/1', 'silo'] satisfies Dialect[])
        .default('blockferry/1' satisfies Dialect),
    )
    .option('--tls-ca <file>', 'certificates to trust when calling tls:// or wss://, PEM')
}

/** What a command that waits for peers takes beside that. */
export function withCertificate(command: Command): Command {
  return command
    .option('--tls-cert <file>', 'certificate for waiting at tls:// or wss://, PEM')
    .option('--tls-key <file>', 'its key, PEM')
}

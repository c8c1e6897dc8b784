import { constants, gunzipSync, gzipSync } from 'node:zlib'
import { errorCode } from '../../../src/errors/storage-error.ts'
import { decodeGzip } from '../../../src/protocol/packets/gzip.ts'
import { TEST_LIMIT } from '../../protocol/packets/outcome.ts'
import { type FuzzTarget, must, mustEqual } from '../target.ts'

const text = Buffer.from('blockferry moves a disk while something is writing to it. '.repeat(3))

/** What is inflated is what zlib makes of it, and never longer than allowed. */
export const gzip: FuzzTarget = {
  name: 'gzip',
  seeds: [
    new Uint8Array(gzipSync(text)),
    new Uint8Array(gzipSync('')),
    new Uint8Array(gzipSync(text, { level: constants.Z_NO_COMPRESSION })),
    new Uint8Array(gzipSync(Buffer.alloc(70_000))),
  ],
  async run(bytes) {
    let inflated: Uint8Array
    try {
      inflated = await decodeGzip(bytes, TEST_LIMIT)
    } catch (error) {
      const code = errorCode(error)
      if (code === 'MALFORMED' || code === 'LIMIT_EXCEEDED') return
      throw error
    }
    must(inflated.length <= TEST_LIMIT, `no more than ${TEST_LIMIT} bytes`)
    mustEqual(inflated, gunzipSync(bytes), 'inflated')
  },
}

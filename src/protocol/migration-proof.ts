/** What a proof of one side of a migration is over. */
export interface MigrationProofContext {
  readonly role: 'source' | 'destination'
  /** The nonces of both hellos: `Connection.session`. */
  readonly session: Uint8Array
  readonly diskId: Uint8Array
  /** As in `begin`, of the source. */
  readonly epoch: number
}

/**
 * Shows that a side knows the key of a migration, which travelled once, when it began.
 *
 * ```
 * HMAC-SHA-256( key, "blockferry resume " | role | 00 | dialer nonce 16 | listener nonce 16 | disk id 16 | epoch u64 )
 * ```
 * The roles keep a proof from being sent back, the nonces keep it from being used again.
 */
export async function proveMigration(key: Uint8Array, context: MigrationProofContext): Promise<Uint8Array> {
  // Not WebCrypto: pages that were not loaded over HTTPS have none.
  const { createHMAC, createSHA256 } = await import('hash-wasm')
  const mac = await createHMAC(createSHA256(), key)
  const epoch = new Uint8Array(8)
  new DataView(epoch.buffer).setBigUint64(0, BigInt(context.epoch), true)
  mac.update(new TextEncoder().encode(`blockferry resume ${context.role}\0`))
  return mac.update(context.session).update(context.diskId).update(epoch).digest('binary')
}

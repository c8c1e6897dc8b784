/** The socket of a client, as the connection needs it. */
export interface Wire {
  /**
   * Sends the parts one behind the other, after everything sent before. They are borrowed until `sent` is called: exactly once, also when the
   * socket is gone, and perhaps before `send` returns.
   */
  send(parts: readonly Uint8Array[], sent?: () => void): void
  /** Bytes that were sent and not yet taken by the system. */
  readonly unsent: number
  /** Lets bytes come, or holds the peer back. */
  setReading(reading: boolean): void
  /** Ends the connection once everything sent is through. */
  end(): void
}

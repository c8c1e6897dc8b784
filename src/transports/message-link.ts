/** What a {@link MessageLink} reports. */
export interface LinkEvents {
  /** Messages can be sent from now on; at once for a link that was open already. */
  opened(): void
  /** A message of bytes, the receiver's to keep. */
  bytes(message: Uint8Array): void
  /** A message of text. */
  text(message: string): void
  /** {@link MessageLink.hasRoom} may have become true. */
  room(): void
  /** Nothing comes any more and nothing goes; with the reason, where the platform tells one. Also after our own `close`. */
  lost(cause?: unknown): void
}

/**
 * What ports, WebSockets and data channels have in common: messages that keep their borders and their order, of bytes or of text, without
 * back-pressure towards the sender. `MessagePipe` makes a channel of it.
 */
export interface MessageLink {
  /** Bytes of the largest message; may grow once the peer is known. */
  readonly messageBytes: number
  /** What becomes of the bytes of {@link sendBytes}: `copied` before it returns, or `kept`, and then they must be alone in their buffer. */
  readonly sending: 'copied' | 'kept'
  /** Whether a message should go now. */
  hasRoom(): boolean
  /** Starts reporting; called once. */
  listen(events: LinkEvents): void
  sendBytes(message: Uint8Array<ArrayBuffer>): void
  /** Memory of any content and this length, to be filled and sent whole. For links that keep what is sent. Default: fresh memory. */
  room?(length: number): Uint8Array<ArrayBuffer>
  /** Nobody looks any more at a message that came; its memory may be used again. */
  giveBack?(message: Uint8Array): void
  /** Sends bytes from where they lie; resolves when they are not read any more. For links that keep without copying or taking. */
  lend?(message: Uint8Array<ArrayBuffer>): Promise<void>
  sendText(message: string): void
  /** Ends the link; what was sent may or may not arrive. */
  close(): void
  /** Ends the link at once; the peer should see that this was not in order. */
  destroy(): void
}

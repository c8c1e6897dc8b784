import type { Page } from 'playwright'

/**
 * Has the next connection of a page end just before it sends the first packet with this command, and that packet with it. The page keeps its data
 * channels then, as in browsers that cannot hand them to a worker.
 */
export async function cutAt(page: Page, command: number): Promise<void> {
  await page.addInitScript((command) => {
    const post = MessagePort.prototype.postMessage
    MessagePort.prototype.postMessage = function (this: MessagePort, message: unknown, transfer?: unknown) {
      if (Array.isArray(transfer) && transfer.some((item) => item instanceof RTCDataChannel)) {
        throw new DOMException('It stays here.', 'DataCloneError')
      }
      return (post as (...args: unknown[]) => void).call(this, message, transfer)
    } as typeof post
    let isCut = false
    // A guarded frame of a packet without data: length, two checksums, command.
    const begins = (bytes: Uint8Array) =>
      bytes.some(
        (byte, at) =>
          byte === command &&
          at >= 20 &&
          bytes[at - 12]! < 64 &&
          bytes.subarray(at - 11, at - 8).every((high) => high === 0),
      )
    const { send } = RTCDataChannel.prototype
    RTCDataChannel.prototype.send = function (this: RTCDataChannel, data: unknown) {
      if (!isCut && ArrayBuffer.isView(data) && data.byteLength < 256) {
        if (begins(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))) {
          isCut = true
          this.close()
          return
        }
      }
      ;(send as (data: unknown) => void).call(this, data)
    } as typeof send
  }, command)
}

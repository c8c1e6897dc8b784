let answer: boolean | undefined

/**
 * Whether a data channel can be handed to a worker here (Chrome 130, Firefox 144, Safari 15; https://github.com/w3c/webrtc-pc/issues/2988), so
 * that a busy page does not slow it down. Peer connections stay in the page. Hand it over with `postMessage` and in the transfer list, in the
 * same turn in which it was created or announced: later it is refused, since messages may have come.
 */
export function canTransferDataChannels(): boolean {
  answer ??= tryTransfer()
  return answer
}

function tryTransfer(): boolean {
  if (typeof RTCPeerConnection === 'undefined') return false
  const peer = new RTCPeerConnection()
  const { port1 } = new MessageChannel()
  try {
    const channel = peer.createDataChannel('probe')
    port1.postMessage(undefined, [channel as unknown as Transferable])
    return true
  } catch {
    return false
  } finally {
    port1.close()
    peer.close()
  }
}

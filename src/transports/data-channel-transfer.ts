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

/**
 * Makes a data channel that was handed over behave like any other; to be called where it arrives, in that turn, and before anybody else listens.
 * Chromium fires the messages that came during the transfer before the `open` event, while the state is still `connecting` and to answer
 * throws (seen in version 156; events are not yet part of the transfer in the standard, https://github.com/w3c/webrtc-pc/issues/3058). Here they
 * are held until it is open.
 * @param options.isAnnounced whether it came by a `datachannel` event: then its `open` is kept back too, since Chromium drops what is sent in
 * that moment, and the first message tells that it carries
 * @returns the same object
 */
export function takeDataChannel(dataChannel: RTCDataChannel, options: { isAnnounced: boolean }): RTCDataChannel {
  if (dataChannel.readyState !== 'connecting') return dataChannel
  const early: unknown[] = []
  const hold = (event: MessageEvent<unknown>) => {
    event.stopImmediatePropagation()
    early.push(event.data)
  }
  const release = (event: Event) => {
    if (options.isAnnounced) event.stopImmediatePropagation()
    dataChannel.removeEventListener('message', hold)
    for (const data of early) dataChannel.dispatchEvent(new MessageEvent('message', { data }))
  }
  dataChannel.addEventListener('message', hold)
  dataChannel.addEventListener('open', release, { once: true })
  return dataChannel
}

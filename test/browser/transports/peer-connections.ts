/** A signal between the two tabs that connect. */
interface Signal {
  readonly from: 'near' | 'far'
  readonly description?: RTCSessionDescriptionInit
  readonly candidate?: RTCIceCandidateInit
}

/** One side of a connection between two tabs. */
export interface TabConnection {
  readonly peer: RTCPeerConnection
  close(): void
}

/**
 * Connects this tab with another of the same browser; the near side offers one data channel. `arrived` gets it in the turn in which it came to
 * be, open or not.
 */
export function connectTabs(
  name: string,
  self: 'near' | 'far',
  arrived: (channel: RTCDataChannel, peer: RTCPeerConnection) => void,
): TabConnection {
  const line = new BroadcastChannel(`signals ${name}`)
  const peer = new RTCPeerConnection()
  const send = (signal: Omit<Signal, 'from'>) => line.postMessage({ from: self, ...signal })
  const early: RTCIceCandidateInit[] = []
  const add = async (candidate: RTCIceCandidateInit) => {
    if (peer.remoteDescription) await peer.addIceCandidate(candidate)
    else early.push(candidate)
  }
  peer.onicecandidate = ({ candidate }) => candidate && send({ candidate: candidate.toJSON() })
  line.onmessage = async ({ data }: MessageEvent<Signal>) => {
    if (data.from === self) return
    if (data.candidate) return add(data.candidate)
    await peer.setRemoteDescription(data.description!)
    for (const candidate of early.splice(0)) await add(candidate)
    if (data.description!.type === 'answer') return
    await peer.setLocalDescription(await peer.createAnswer())
    send({ description: peer.localDescription!.toJSON() })
  }
  if (self === 'near') {
    const channel = peer.createDataChannel('disk')
    arrived(channel, peer)
    void (async () => {
      await peer.setLocalDescription(await peer.createOffer())
      send({ description: peer.localDescription!.toJSON() })
    })()
  } else {
    peer.ondatachannel = ({ channel }) => arrived(channel, peer)
  }
  return {
    peer,
    close: () => {
      peer.close()
      line.close()
    },
  }
}

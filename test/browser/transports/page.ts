import { canTransferDataChannels } from '../../../src/transports/data-channel-transfer.ts'
import { type ChannelPair, channelConformance } from '../../conformance/channel.ts'
import { answerTabs, bindings, nodePair, pagePair, serveNode, tabPair, workerPair } from './pairs.ts'

/** Which two ends a suite runs over. */
export type PairName = 'worker' | 'page' | 'tab' | 'node'

/** Where Node listens for `node` pairs. */
export interface NodeAddresses {
  readonly url: string
  readonly wireUrl: string
}

const MAKERS: Record<PairName, (node: NodeAddresses) => Promise<ChannelPair>> = {
  worker: workerPair,
  page: pagePair,
  tab: tabPair,
  node: ({ url, wireUrl }) => nodePair(url, wireUrl, () => void window.cutConnections()),
}

/** What tests reach from outside. */
const transports = {
  /** Runs one case; resolves with undefined when it holds, else with what failed. */
  runCase: async (pair: PairName, name: string, node: NodeAddresses): Promise<string | undefined> => {
    try {
      await channelConformance(() => MAKERS[pair](node))
        .find((one) => one.name === name)!
        .run()
    } catch (error) {
      return error instanceof Error ? String(error.stack) : String(error)
    }
    return undefined
  },
  answerTabs,
  serveNode,
  bindings,
  canTransferDataChannels,
}

declare global {
  interface Window {
    transports: typeof transports
    /** From the test: breaks every connection between this page and Node. */
    cutConnections: () => Promise<void>
  }
}
window.transports = transports

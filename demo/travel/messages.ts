import type { WireError } from '../../src/errors/wire.ts'
import type { Figures } from '../mover/messages.ts'
import type { StorageKind } from '../mover/settings.ts'
import type { Geometry } from './travel-disks.ts'

/** What the side that has the disk chooses. Sizes in bytes, rates in bytes per second. */
export interface TravelSettings {
  readonly place: StorageKind
  readonly size: number
  readonly writeRate: number
  /** 0: as fast as the connection carries. */
  readonly linkRate: number
}

/** The page's end of a connection, for the worker to speak over. */
export interface WorkerLink {
  /** Leads to the channel in the page; transferred. Without one, the worker has the data channel itself, by an earlier `connect`. */
  readonly port?: MessagePort
  /** What the peer of that data channel takes in one message, where it says. */
  readonly maxMessageSize?: number
  /** Of the channel that all this leads to. */
  readonly binding: Uint8Array
  readonly secret: Uint8Array
}

/** A data channel on its way to the worker; it and the port are transferred. */
export interface TravellingChannel {
  readonly dataChannel: RTCDataChannel
  /** Whether the other side made it. */
  readonly isAnnounced: boolean
  /** Tells the page, by any message, that the channel has ended. */
  readonly over: MessagePort
}

/** What the page tells the worker. */
export type ToTraveller =
  /** Makes and fills a disk, and starts the program that writes to it. A picture is sent every `intervalMs`. */
  | { readonly type: 'prepare'; readonly settings: TravelSettings; readonly intervalMs: number }
  /** Takes the data channel of a connection in the making. */
  | ({ readonly type: 'connect' } & TravellingChannel)
  /** Opens the disk that an earlier page had prepared, and starts the program, unless the disk was given away. `takeBack`: although it was. */
  | {
      readonly type: 'reopen'
      readonly settings: TravelSettings
      readonly geometry: Geometry
      readonly intervalMs: number
      readonly takeBack: boolean
    }
  /** Sends the disk that was prepared, or what is left to be sent or said. */
  | ({ readonly type: 'send' } & WorkerLink)
  /** Takes a disk, or what is left of it. `geometry`: of what an earlier page had taken of it. */
  | ({
      readonly type: 'receive'
      readonly place: StorageKind
      readonly geometry?: Geometry
      readonly intervalMs: number
    } & WorkerLink)
  /** Opens a disk that arrived earlier and goes on with the program. `takeOver`: without the last word of the other side. */
  | {
      readonly type: 'use'
      readonly place: StorageKind
      readonly geometry: Geometry
      readonly intervalMs: number
      readonly takeOver: boolean
    }
  /** Reads a block that is not here yet, or any once all are. */
  | { readonly type: 'read' }
  /** Ends everything and deletes what was made. */
  | { readonly type: 'clear' }

/** What arrives, as the receiving side sees it. Rates in bytes per second. */
export interface Arrivals {
  readonly arrivedRate: number
  readonly missingBlocks: number
  readonly waitingCalls: number
  readonly writes: number
}

/** A disk that has changed hands. */
export interface Journey {
  readonly root: string
  readonly size: number
  readonly bytesMoved: number
  readonly rounds: number
  readonly durationMs: number
  readonly pauseMs: number
  readonly writes: number
  readonly longestWriteMs: number
}

/** What the worker tells the page. */
export type FromTraveller =
  | { readonly type: 'prepared' }
  /** `again`: how the two meet again after a loss, as the fragment of a link. */
  | { readonly type: 'proved'; readonly again: string }
  | { readonly type: 'phase'; readonly phase: 'full' | 'dirty' | 'locked' }
  /** One byte per block as in block-byte.ts; transferred. */
  | { readonly type: 'sending'; readonly blocks: Uint8Array; readonly figures: Figures }
  | { readonly type: 'announced'; readonly name: string; readonly size: number; readonly blockSize: number }
  | { readonly type: 'arriving'; readonly blocks: Uint8Array; readonly arrivals: Arrivals }
  | { readonly type: 'read'; readonly block: number; readonly wasMissing: boolean; readonly ms: number }
  /** The disk is the other side's now. */
  | { readonly type: 'gave'; readonly journey: Journey }
  /** The disk is this side's now. */
  | { readonly type: 'got'; readonly root: string }
  /** The disk is the other side's now, which has not said yet that it knows; or it was before this page was loaded. */
  | { readonly type: 'released' }
  /** The connection of an arriving disk ended; undefined error: in order. */
  | { readonly type: 'parted'; readonly error?: WireError; readonly isOwner: boolean; readonly share: number }
  /** The journey ended early; a disk that was here before is still here. `share`: how much had crossed. */
  | { readonly type: 'failed'; readonly error: WireError; readonly share?: number; readonly isReleased?: boolean }
  | { readonly type: 'cleared' }

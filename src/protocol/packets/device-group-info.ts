import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { DEVICES } from '../limits.ts'
import { COMMAND } from './commands.ts'
import { type DevInfo, decodeDevInfo, encodeDevInfo } from './dev-info.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'

/** One device of a group. */
export interface GroupDevice extends DevInfo {
  /** The device number that its frames carry: 1..N, each once. */
  readonly dev: number
}

/** Says what devices are coming; the first packet of a session, on device 0. Never answered. */
export interface DeviceGroupInfo {
  readonly kind: 'device-group-info'
  /** At most `DEVICES`, in any order, numbered 1..N without a gap. */
  readonly devices: readonly GroupDevice[]
}

/**
 * ```
 * 0    1         5                9
 * | 0d | dev u32 | length u32 = n | dev-info, n bytes, 06 first | and again to the end
 * ```
 */
export function encodeDeviceGroupInfo({ devices }: DeviceGroupInfo): EncodedPacket {
  const infos = devices.map((device) => ({ dev: device.dev, info: encodeDevInfo(device).head }))
  const writer = new ByteWriter(infos.reduce((size, { info }) => size + 8 + info.length, 1))
  writer.u8(COMMAND.deviceGroupInfo)
  for (const { dev, info } of infos) writer.u32(dev).u32(info.length).bytes(info)
  return headOnly(writer.done())
}

export function decodeDeviceGroupInfo(payload: Uint8Array): DeviceGroupInfo {
  const reader = new ByteReader(payload, 'device-group-info')
  const devices: GroupDevice[] = []
  const seen = new Set<number>()
  let highest = 0
  while (reader.remaining > 0) {
    if (devices.length === DEVICES) throw reader.error(`has more than ${DEVICES} devices`, 'LIMIT_EXCEEDED')
    const dev = reader.u32()
    if (dev === 0 || seen.has(dev)) throw reader.error(`has a device ${dev}, which is taken`)
    const info = reader.bytes(reader.u32())
    if (info[0] !== COMMAND.devInfo) throw reader.error(`says nothing about device ${dev}`)
    devices.push({ dev, ...decodeDevInfo(info) })
    seen.add(dev)
    highest = Math.max(highest, dev)
  }
  if (highest !== devices.length) throw reader.error(`numbers ${devices.length} devices up to ${highest}`)
  return { kind: 'device-group-info', devices }
}

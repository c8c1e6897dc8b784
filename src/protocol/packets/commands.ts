/**
 * The first byte of every packet. Bit 7 says that it is an answer; an answer carries the device and the id of its request.
 *
 * `readAt`, `writeAt`, `writeAtWithMap`, `event`, `hashes`, `dirtyList` and `readByHash` are always answered, the others never.
 */
export const COMMAND = {
  readAt: 0x01,
  writeAt: 0x02,
  needAt: 0x03,
  dontNeedAt: 0x04,
  dirtyList: 0x05,
  devInfo: 0x06,
  event: 0x07,
  hashes: 0x08,
  writeAtWithMap: 0x09,
  removeDev: 0x0a,
  removeFromMap: 0x0b,
  alternateSources: 0x0c,
  deviceGroupInfo: 0x0d,
  readByHash: 0x0e,

  readAtResponse: 0x81,
  readAtResponseError: 0x82,
  writeAtResponse: 0x83,
  writeAtResponseError: 0x84,
  eventResponse: 0x85,
  hashesResponse: 0x86,
  dirtyListResponse: 0x87,
  readByHashResponse: 0x88,
  readByHashResponseError: 0x89,

  // Dialect `blockferry/1` only. Bit 6 says that a packet is ours, bit 5 that who does not know it may skip it.
  hello: 0x40,
  proof: 0x41,
  farewell: 0x42,
  flush: 0x43,
  acks: 0x44,
  root: 0x45,
  writeNewer: 0x46,
  begin: 0x47,
  readDigests: 0x48,
  keep: 0x49,
  prepare: 0x4a,
  commit: 0x4b,
  cancel: 0x4c,
  complete: 0x4d,
  writeChecked: 0x4e,
  writePatch: 0x4f,
  ping: 0x60,
  padding: 0x61,

  failureResponse: 0xc0,
  flushResponse: 0xc3,
  rootResponse: 0xc5,
  beginResponse: 0xc7,
  readDigestsResponse: 0xc8,
  keepResponse: 0xc9,
  prepareResponse: 0xca,
  commitResponse: 0xcb,
  cancelResponse: 0xcc,
  completeResponse: 0xcd,
  pingResponse: 0xe0,
} as const

/** Whether a command belongs to dialect `blockferry/1` alone. */
export function isOwnCommand(command: number): boolean {
  return (command & 0x40) !== 0
}

/** Whether a command that means nothing to us may be skipped. */
export function isOptionalCommand(command: number): boolean {
  return (command & 0x60) === 0x60
}

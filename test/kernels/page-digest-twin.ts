/** What `assembly/page-digests.ts` computes, readable: eight sums of products, sixteen polynomials, folded into two words of 64 bits. */
export function pageDigest(page: Uint8Array): Int32Array {
  const words = new Uint32Array(page.slice().buffer)
  const keys = Uint32Array.from(KEYS)
  const products: bigint[] = Array(8).fill(0n)
  const plain = new Uint32Array(16)
  for (let line = 0; line < words.length; line += 16) {
    const word = (index: number) => words[line + index]!
    const keyed = (index: number) => BigInt((word(index) + keys[index]!) >>> 0)
    for (let index = 0; index < 4; index++) {
      products[index] = wrap(products[index]! + keyed(index) * keyed(index + 4))
      products[index + 4] = wrap(products[index + 4]! + keyed(index + 8) * keyed(index + 12))
    }
    for (let index = 0; index < 16; index++) {
      plain[index] = Math.imul(plain[index]!, FACTOR) + word(index)
      keys[index]! += STEP[index % 4]!
    }
  }
  let low = 0x9e3779b97f4a7c15n
  let high = 0xbf58476d1ce4e5b9n
  const pairs = Array.from({ length: 8 }, (_, pair) => (BigInt(plain[2 * pair + 1]!) << 32n) | BigInt(plain[2 * pair]!))
  for (const word of [...products, ...pairs]) {
    low = wrap((low ^ word) * 0xff51afd7ed558ccdn)
    low ^= low >> 33n
    high = wrap(rotate(wrap(high + word)) * 0xc4ceb9fe1a85ec53n)
  }
  low ^= low >> 29n
  high ^= high >> 32n
  return new Int32Array(BigUint64Array.of(low, high).buffer)
}

const wrap = (value: bigint) => BigInt.asUintN(64, value)
const rotate = (value: bigint) => wrap((value << 29n) | (value >> 35n))

const FACTOR = 0x2c9277b5
const STEP = [0x9e3779b9, 0x7f4a7c15, 0xbf58476d, 0x94d049bb]
const KEYS = [
  [0x2c1b3c6d, 0x297a2d39, 0x85ebca6b, 0xc2b2ae35],
  [0x27d4eb2f, 0x165667b1, 0x9e3779b1, 0x85ebca77],
  [0x1b873593, 0xcc9e2d51, 0xe6546b64, 0x38b34ae5],
  [0xa1e38b93, 0x7feb352d, 0x846ca68b, 0xd35a2d97],
].flat()

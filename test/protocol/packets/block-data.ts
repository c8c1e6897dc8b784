import fc from 'fast-check'

/** Data as disks have it, at any alignment: stretches of zeroes, of one byte and of random bytes, of every length that matters. */
export const blockData: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.array(
      fc.oneof(
        fc.integer({ min: 1, max: 20 }).map((length) => new Uint8Array(length)),
        fc.integer({ min: 21, max: 300 }).map((length) => new Uint8Array(length)),
        fc
          .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 255 }))
          .map(([n, byte]) => new Uint8Array(n).fill(byte)),
        fc
          .tuple(fc.integer({ min: 40, max: 200 }), fc.constantFrom(1, 255))
          .map(([n, byte]) => new Uint8Array(n).fill(byte)),
        fc.uint8Array({ min: 0, max: 2, minLength: 1, maxLength: 30 }),
        fc.uint8Array({ minLength: 1, maxLength: 60 }),
      ),
      { maxLength: 12 },
    ),
    fc.integer({ min: 0, max: 7 }),
  )
  .map(([stretches, shift]) => {
    const length = stretches.reduce((sum, stretch) => sum + stretch.length, 0)
    // What lies around the view must not matter.
    const data = new Uint8Array(length + 16).fill(0).subarray(shift, shift + length)
    let at = 0
    for (const stretch of stretches) {
      data.set(stretch, at)
      at += stretch.length
    }
    return data
  })

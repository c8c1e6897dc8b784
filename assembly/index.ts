/**
 * The kernels: bit and block work on raw memory, compiled to WebAssembly.
 *
 * One source, two builds with the same exports. `ASC_FEATURE_SIMD` is a constant of the compiler, so each build holds only its own branches.
 * What each function does is specified by its TypeScript twin, `src/kernels/typescript-kernels.ts`; here it is done 8 or 64 bytes at a time.
 *
 * The memory is imported, and laid out by the host (`src/kernels/allocator.ts`); nothing here allocates, keeps state or has static data:
 *
 * ```
 *   0        64
 *   │ unused │ bitfields, block buffers and lists, each 64-byte aligned … │
 * ```
 *
 * Numbers are unsigned 32-bit; pointers are trusted. The host keeps the last page of the address space unused, so no end of a range wraps.
 */
export * from './bitfield'
export * from './blocks'

/** 1 in the build with 128-bit vectors, 0 in the other: how the host tells which it was given. */
export const vectors: i32 = ASC_FEATURE_SIMD ? 1 : 0

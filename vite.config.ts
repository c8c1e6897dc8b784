import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { guestPlugin } from './demo/guest/serve.node.ts'
import { rendezvousPlugin } from './demo/travel/rendezvous.node.ts'

const project = fileURLToPath(new URL('.', import.meta.url))

export default defineConfig({
  root: fileURLToPath(new URL('demo', import.meta.url)),
  // Relative addresses, so that the built page works under any path.
  base: './',
  server: {
    host: '127.0.0.1',
    fs: { allow: [project] },
  },
  // Found by Vite only while a page loads otherwise, and then the page reloads in the middle of a test.
  // SQLite finds its WebAssembly beside itself.
  optimizeDeps: {
    include: ['idb-keyval', 'hash-wasm', 'qrcode-generator', 'v86', 'comlink'],
    exclude: ['@journeyapps/wa-sqlite', '@sqlite.org/sqlite-wasm'],
  },
  plugins: [rendezvousPlugin(), guestPlugin(process.env.BLOCKFERRY_GUEST ?? `${project}build/guest`)],
  worker: { format: 'es' },
  build: { outDir: fileURLToPath(new URL('build/demo', import.meta.url)), emptyOutDir: true, target: 'es2022' },
  test: {
    root: project,
    projects: [
      {
        extends: true,
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/browser/**', 'test/demo/visits/**'],
          // Two cores: a third worker only makes time-outs more likely.
          maxWorkers: 2,
          testTimeout: 20_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts', 'test/demo/visits/*.test.ts'],
          // One Chromium at a time: each keeps two cores busy by itself.
          fileParallelism: false,
          // A visit of a few seconds takes a minute on a busy machine.
          testTimeout: 180_000,
          // Covers installing a Chromium on a fresh machine.
          hookTimeout: 900_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})

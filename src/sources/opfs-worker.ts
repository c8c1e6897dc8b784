import { type ServingPort, serveOpfs } from './opfs-serve.ts'

// The program of the worker that `OpfsStorage` starts for a page: one worker for one disk.
serveOpfs(globalThis as unknown as ServingPort)

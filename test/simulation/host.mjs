// What Node does for a simulation.

const unheard = []

/** `queueMicrotask` does the same and keeps more books. */
const settled = Promise.resolve()

/** Node runs a tick only once its microtasks are used up, so a tick asked for by a microtask comes after all of them. */
export const host = {
  settle: () => new Promise((resolve) => settled.then(() => process.nextTick(resolve))),
  task: () => new Promise((resolve) => setImmediate(resolve)),
  takeUnheard: () => unheard.splice(0),
}

/** While `work` goes on, errors nobody hears end no process: the simulation takes them. */
export async function hearing(work) {
  const hear = (error) => unheard.push(error)
  process.on('unhandledRejection', hear)
  process.on('uncaughtException', hear)
  try {
    return await work()
  } finally {
    process.off('unhandledRejection', hear)
    process.off('uncaughtException', hear)
  }
}

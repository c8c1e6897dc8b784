// Runs seeds of one bundle until one breaks a promise, and tells the process above of each.
import { pathToFileURL } from 'node:url'
import { hearing, host } from '../host.mjs'

const [bundle, first, runs] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])]
const scenario = process.argv[5] || undefined

await hearing(async () => {
  const { simulateSeeds } = await import(pathToFileURL(bundle).href)
  let result = {}
  for (let done = 0; done < runs && result.law === undefined; done++) {
    const { failures } = await simulateSeeds({ seed: first + done, runs: 1, shrinks: false, scenario }, host)
    if (failures.length > 0) {
      const { scenario, violation } = failures[0].report
      result = { scenario, law: violation.law, message: violation.message }
    } else process.send({ done: done + 1 })
  }
  await new Promise((sent) => process.send({ result }, sent))
})
process.exit(0)
